#include "common/nearest_name.h"

#include <gtest/gtest.h>

namespace still {
namespace {

const std::vector<std::string> kKnown = {"run", "queue", "show", "top", "logs", "release", "requeue", "report"};

TEST(NearestNameTest, APrefixIsPreferredToASlip) {
  EXPECT_EQ(NearestName("que", kKnown), "queue") << "'run' is as near";
  EXPECT_EQ(NearestName("req", kKnown), "requeue");
  EXPECT_EQ(NearestName("re", kKnown), "release") << "the first";
}

TEST(NearestNameTest, OneSlipInThreeLettersIsNear) {
  EXPECT_EQ(NearestName("quue", kKnown), "queue");
  EXPECT_EQ(NearestName("requue", kKnown), "requeue");
  EXPECT_EQ(NearestName("shwo", kKnown), "show") << "letters in a wrong order are one";
  EXPECT_EQ(NearestName("rnu", kKnown), "run");
}

TEST(NearestNameTest, ANameUnlikeAllOthersIsNearNone) {
  for (const char* name : {"bogus", "frobnicate", "x", "", "rx"}) EXPECT_EQ(NearestName(name, kKnown), "") << name;
  EXPECT_EQ(NearestName("run", {}), "");
}

}  // namespace
}  // namespace still
