#include "common/random.h"

#include <gtest/gtest.h>

#include <set>

namespace still {
namespace {

TEST(RandomTest, PhiloxMatchesTheVectorsOfRandom123) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, 0), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0'a4093822),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, ACopyReplaysTheStream) {
  KeyedRandom stream(MixKey({56, 3}));
  for (int i = 0; i < 5; ++i) stream.NextU32();
  KeyedRandom copy = stream;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.NextU64(), copy.NextU64());
}

TEST(RandomTest, NeighbouringKeysGiveUnrelatedStreams) {
  std::set<std::uint64_t> first_draws;
  for (std::uint64_t step = 0; step < 100; ++step) {
    for (std::uint64_t microbatch = 0; microbatch < 100; ++microbatch) {
      first_draws.insert(KeyedRandom(MixKey({1, step, microbatch})).NextU64());
    }
  }
  EXPECT_EQ(first_draws.size(), 10000u);
  EXPECT_NE(MixKey({1, 2}), MixKey({2, 1}));
}

TEST(RandomTest, DrawsBelowABoundAreSpreadEvenly) {
  KeyedRandom stream(7);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100'000; ++i) ++counts[stream.NextBelow(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);  // five standard deviations
}

}  // namespace
}  // namespace still
