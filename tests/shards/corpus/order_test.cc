#include "shards/corpus/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "common/random.h"

namespace still::shards {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint64_t> Permutation(const EpochOrder& order) {
  std::vector<std::uint64_t> values(order.size());
  for (std::uint64_t i = 0; i < order.size(); ++i) values[i] = order.At(i);
  return values;
}

TEST(EpochOrderTest, IsABijectionOfAnySize) {
  for (const std::uint64_t size : {1, 2, 3, 5, 64, 65, 1000, 4097}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      std::vector<std::uint64_t> values = Permutation(EpochOrder(size, seed, 0, "corpus"));
      std::sort(values.begin(), values.end());
      std::vector<std::uint64_t> all(size);
      std::iota(all.begin(), all.end(), std::uint64_t{0});
      ASSERT_EQ(values, all) << size;
    }
  }
}

TEST(EpochOrderTest, DependsOnSeedEpochAndCorpus) {
  const auto order = Permutation(EpochOrder(1000, 1, 0, "corpus"));
  EXPECT_EQ(Permutation(EpochOrder(1000, 1, 0, "corpus")), order);
  EXPECT_NE(Permutation(EpochOrder(1000, 2, 0, "corpus")), order);
  EXPECT_NE(Permutation(EpochOrder(1000, 1, 1, "corpus")), order);
  EXPECT_NE(Permutation(EpochOrder(1000, 1, 0, "another")), order);
}

// An order that leaves neighbours near each other would pass as a bijection.
TEST(EpochOrderTest, SpreadsNeighboursAndDestinationsEvenly) {
  constexpr std::uint64_t kSize = 4097;
  const auto values = Permutation(EpochOrder(kSize, 7, 0, "corpus"));
  double distance = 0;
  for (std::size_t i = 1; i < kSize; ++i) {
    distance += static_cast<double>(std::max(values[i], values[i - 1]) - std::min(values[i], values[i - 1]));
  }
  EXPECT_NEAR(distance / kSize, kSize / 3.0, 0.03 * kSize);
  // Tests where position 0 goes over many seeds: chi-square with 15 degrees of freedom is 44.3 at p = 1e-4.
  std::vector<double> bins(16);
  for (std::uint64_t seed = 0; seed < 16000; ++seed) bins[EpochOrder(16, seed, 0, "corpus").At(0)] += 1;
  double statistic = 0;
  for (const double seen : bins) statistic += (seen - 1000) * (seen - 1000) / 1000;
  EXPECT_LT(statistic, 44.3);
}

TEST(EpochOrderTest, ReachesAnyPositionOfAHugeCorpus) {
  const EpochOrder order(std::uint64_t{3} << 40, 1, 0, "corpus");
  EXPECT_LT(order.At((std::uint64_t{3} << 40) - 1), order.size());
  EXPECT_NE(order.At(0), order.At(1));
}

TEST(StepTest, AnEpochsStepsCoverEachPositionOnceAndTheLastIsShort) {
  constexpr std::uint64_t kSequences = 103;
  constexpr std::uint64_t kStep = 10;
  const std::uint64_t steps = StepsPerEpoch(kSequences, kStep);
  ASSERT_EQ(steps, 11U);
  std::vector<int> used(kSequences);
  for (std::uint64_t step = 2 * steps; step < 3 * steps; ++step) {
    const StepAddress at = AddressOfStep(step, kSequences, kStep);
    EXPECT_EQ(at.epoch, 2U);
    for (std::uint64_t i = at.first; i < at.last; ++i) ++used[i];
  }
  EXPECT_THAT(used, ::testing::Each(1));
  const StepAddress last = AddressOfStep(steps - 1, kSequences, kStep);
  EXPECT_EQ(last.last - last.first, 3U);
  EXPECT_EQ(StepsPerEpoch(100, 10), 10U);
  EXPECT_EQ(StepsPerEpoch(3, 4096), 1U);
}

TEST(MicrobatchTest, LongestFirstTiesInTheOrderGivenWithinTheBudget) {
  const auto cut = CutMicrobatches({10, 11, 12, 13, 14}, {4, 9, 4, 2, 4}, 10);
  ASSERT_EQ(cut.size(), 3U);
  EXPECT_THAT(cut[0].sequences, ElementsAre(11));
  EXPECT_EQ(cut[0].padded_length, 9U);
  EXPECT_THAT(cut[1].sequences, ElementsAre(10, 12));
  EXPECT_EQ(cut[1].padded_length, 4U);
  EXPECT_THAT(cut[2].sequences, ElementsAre(14, 13));
  EXPECT_EQ(cut[2].padded_length, 4U);
}

TEST(MicrobatchTest, ASequenceLongerThanTheBudgetMakesItsOwn) {
  const auto cut = CutMicrobatches({1, 2, 3}, {50, 60, 5}, 10);
  ASSERT_EQ(cut.size(), 3U);
  EXPECT_THAT(cut[0].sequences, ElementsAre(2));
  EXPECT_THAT(cut[1].sequences, ElementsAre(1));
  EXPECT_TRUE(CutMicrobatches({}, {}, 10).empty());
}

TEST(MicrobatchTest, PartitionsAStepWithFewPaddedTokens) {
  constexpr std::uint32_t kBudget = 4096;
  KeyedRandom random(5);
  std::vector<std::uint64_t> sequences;
  std::vector<std::uint32_t> lengths;
  std::uint64_t useful = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {  // half of them full, as in text cut at 128
    sequences.push_back(i * 7);
    lengths.push_back(random.NextBelow(2) == 0 ? 128 : 12 + random.NextBelow(116));
    useful += lengths.back();
  }
  std::uint64_t padded = 0;
  std::vector<std::uint64_t> cut_sequences;
  for (const Microbatch& microbatch : CutMicrobatches(sequences, lengths, kBudget)) {
    const std::uint64_t tokens = microbatch.sequences.size() * microbatch.padded_length;
    EXPECT_LE(tokens, kBudget);
    for (const std::uint64_t sequence : microbatch.sequences)
      EXPECT_LE(lengths[sequence / 7], microbatch.padded_length);
    padded += tokens;
    cut_sequences.insert(cut_sequences.end(), microbatch.sequences.begin(), microbatch.sequences.end());
  }
  std::sort(cut_sequences.begin(), cut_sequences.end());
  EXPECT_EQ(cut_sequences, sequences);
  EXPECT_GE(static_cast<double>(useful) / static_cast<double>(padded), 0.97);
}

}  // namespace
}  // namespace still::shards
