#include "worker/device/exact_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/random.h"

namespace still::worker {
namespace {

std::vector<float> Values(std::uint64_t key, std::size_t count) {
  KeyedRandom random(key);
  std::vector<float> values(count);
  for (float& value : values)  // magnitudes from 2^-30 to 2^9
    value = static_cast<float>((random.NextUnit() - 0.5) * std::exp2(40 * random.NextUnit() - 30));
  return values;
}

TEST(ExactSumTest, SumIsTheSameBitsInAnyOrderAndGrouping) {
  constexpr std::size_t kCount = 1003;
  std::vector<std::vector<float>> terms;
  for (std::uint64_t i = 0; i < 24; ++i) terms.push_back(Values(i, kCount));

  std::vector<std::int64_t> in_order(kCount);
  for (const auto& term : terms) ASSERT_TRUE(AddFixed(term, in_order));

  std::vector<std::int64_t> grouped(kCount);
  for (std::size_t group = 0; group < 5; ++group) {  // five ranks, backwards
    std::vector<std::int64_t> partial(kCount);
    for (std::size_t i = terms.size(); i-- > 0;) {
      if (i % 5 != group) continue;
      ASSERT_TRUE(AddFixed(terms[i], partial));
    }
    for (std::size_t i = 0; i < kCount; ++i) grouped[i] += partial[i];
  }
  EXPECT_EQ(in_order, grouped);
}

TEST(ExactSumTest, EveryValueIsRoundedToTheNearestMultipleTiesToEven) {
  EXPECT_EQ(ToFixed(1.0), std::int64_t{1} << 40);
  EXPECT_EQ(ToFixed(-0.75), -(std::int64_t{3} << 38));
  EXPECT_EQ(ToFixed(0.5 * kQuantum), 0);
  EXPECT_EQ(ToFixed(1.5 * kQuantum), 2);
  EXPECT_EQ(ToFixed(2.5 * kQuantum), 2);
  EXPECT_EQ(ToFixed(-2.5 * kQuantum), -2);
  EXPECT_EQ(ToFixed(0.5000001 * kQuantum), 1);
  for (const float value : Values(7, 1000)) {
    EXPECT_EQ(ToFixed(value), std::llrint(double{value} / kQuantum)) << value;
    std::vector<std::int64_t> sum(1);
    ASSERT_TRUE(AddFixed({&value, 1}, sum));
    EXPECT_EQ(sum[0], ToFixed(value)) << value;
  }
}

TEST(ExactSumTest, ValuesThatAreNotFiniteOrTooLargeAreReportedAtAnyIndex) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), infinity, -infinity, 1024.0F, -1024.0F, -8000.0F, 3e38F}) {
    for (const std::size_t at : {0U, 7U, 18U}) {
      std::vector<float> values(19, 1.0F);
      values[at] = bad;
      std::vector<std::int64_t> sums(19);
      EXPECT_FALSE(AddFixed(values, sums)) << bad << " at " << at;
    }
  }
}

TEST(ExactSumTest, AsManyOfTheLargestTermsAsAllowedDoNotOverflow) {
  const float largest = std::nextafter(1024.0F, 0.0F);
  const std::vector<float> values = {largest, -largest};
  std::vector<std::int64_t> sums(2);
  for (std::uint64_t i = 0; i < kMaxTerms; ++i) ASSERT_TRUE(AddFixed(values, sums));
  std::vector<float> out(2);
  FixedToFloat(sums, out);
  EXPECT_EQ(out[0], largest * static_cast<float>(kMaxTerms));
  EXPECT_EQ(out[1], -out[0]);
}

}  // namespace
}  // namespace still::worker
