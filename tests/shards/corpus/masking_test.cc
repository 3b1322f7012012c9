#include "shards/corpus/masking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "tests/shards/corpus/corpus_fixture.h"

namespace still::shards {
namespace {

std::vector<std::uint64_t> EvenCounts() { return std::vector<std::uint64_t>(kTestVocabulary, 50); }

TEST(MaskerTest, IsAFunctionOfSeedContentAndVariant) {
  const Masker masker({.seed = 1}, EvenCounts(), TestSpecials());
  const Masker same({.seed = 1}, EvenCounts(), TestSpecials());
  const Masker reseeded({.seed = 2}, EvenCounts(), TestSpecials());
  const std::vector<TokenId> tokens = TestSequence(5, 128);
  const MaskedSequence masked = masker.Mask(tokens, 0);
  const MaskedSequence again = same.Mask(std::vector<TokenId>(tokens), 0);
  EXPECT_EQ(again.input, masked.input);
  EXPECT_EQ(again.positions, masked.positions);
  EXPECT_EQ(again.labels, masked.labels);
  EXPECT_EQ(again.hash, masked.hash);
  EXPECT_NE(masker.Mask(tokens, 1).positions, masked.positions);
  EXPECT_NE(masker.Mask(tokens, 1).hash, masked.hash);
  EXPECT_NE(reseeded.Mask(tokens, 0).positions, masked.positions);
  EXPECT_NE(masker.Mask(TestSequence(6, 128), 0).hash, masked.hash);
}

// A second implementation in Python computed these. A change of the algorithm must change the identity of targets too.
TEST(MaskerTest, EqualsASecondImplementation) {
  const Masker masker({.seed = 42}, EvenCounts(), TestSpecials());
  const MaskedSequence masked = masker.Mask(TestSequence(1, 32), 3);
  EXPECT_THAT(masked.positions, ::testing::ElementsAre(3, 5, 14, 16, 23));
  EXPECT_EQ(masked.hash, 1548682182354227783U);
}

TEST(MaskerTest, PositionsAscendLabelsAreTheOriginalsAndTheRestIsUntouched) {
  const Masker masker({.seed = 9}, EvenCounts(), TestSpecials());
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::vector<TokenId> tokens = TestSequence(i, 12 + i);
    const MaskedSequence masked = masker.Mask(tokens, 0);
    const auto length = static_cast<std::uint32_t>(tokens.size());
    ASSERT_EQ(masked.positions.size(), masker.MaskedCount(length, length - 2));
    std::vector<TokenId> restored = masked.input;
    for (std::size_t m = 0; m < masked.positions.size(); ++m) {
      ASSERT_TRUE(m == 0 || masked.positions[m - 1] < masked.positions[m]);
      restored[masked.positions[m]] = masked.labels[m];
    }
    ASSERT_EQ(restored, tokens);
  }
}

TEST(MaskerTest, CountIsTheCeilingOfTheRateAndNeverMoreThanTheCandidates) {
  const Masker masker({}, EvenCounts(), TestSpecials());
  EXPECT_EQ(masker.MaskedCount(128, 126), 20U);  // 19.2
  EXPECT_EQ(masker.MaskedCount(20, 18), 3U);     // exactly 3
  EXPECT_EQ(masker.MaskedCount(12, 10), 2U);     // 1.8
  EXPECT_EQ(masker.MaskedCount(128, 5), 5U);
  // 0.07 x 100 is a little above 7 in binary.
  EXPECT_EQ(Masker({.rate = 0.07}, EvenCounts(), TestSpecials()).MaskedCount(100, 98), 7U);
}

TEST(MaskerTest, SpecialTokensAreNeverChosenEvenWhenNothingElseIsLeft) {
  const SpecialTokens special = TestSpecials();
  const Masker masker({.rate = 1.0}, EvenCounts(), special);
  const std::vector<TokenId> tokens = {special.classify, 500, special.unknown, special.mask, 600, special.pad,
                                       special.separator};
  const MaskedSequence masked = masker.Mask(tokens, 0);
  EXPECT_THAT(masked.positions, ::testing::ElementsAre(1, 4));
  EXPECT_THAT(masked.labels, ::testing::ElementsAre(500, 600));
  const std::vector<TokenId> only_special = {special.classify, special.separator};
  EXPECT_TRUE(masker.Mask(only_special, 0).positions.empty());
}

TEST(MaskerTest, EightyPercentBecomeMaskTenRandomTenStay) {
  const Masker masker({.seed = 3}, EvenCounts(), TestSpecials());
  double total = 0;
  double mask = 0;
  double same = 0;
  std::set<TokenId> random;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const MaskedSequence masked = masker.Mask(TestSequence(i, 128), 0);
    for (std::size_t m = 0; m < masked.positions.size(); ++m) {
      const TokenId input = masked.input[masked.positions[m]];
      total += 1;
      mask += input == TestSpecials().mask;
      same += input == masked.labels[m];
      if (input != TestSpecials().mask && input != masked.labels[m]) random.insert(input);
    }
  }
  // With 40,000 draws the standard deviations are 0.002 and 0.0015.
  EXPECT_NEAR(mask / total, 0.8, 0.008);
  EXPECT_NEAR(same / total, 0.1, 0.006);
  EXPECT_GT(random.size(), 0.95 * kTestVocabulary);  // about 4,000 uniform draws of 1,000
}

// Returns Pearson's statistic of drawing 2 of 4 candidates, over `draws` variants, against weights count^-smoothing.
double ChiSquareOfPairs(const std::vector<double>& weights, const std::map<std::pair<int, int>, int>& seen, int draws) {
  const double sum = weights[0] + weights[1] + weights[2] + weights[3];
  double statistic = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = i + 1; j < 4; ++j) {
      const double p = weights[i] * weights[j] / sum * (1 / (sum - weights[i]) + 1 / (sum - weights[j]));
      const auto at = seen.find({static_cast<int>(i), static_cast<int>(j)});
      const double difference = (at == seen.end() ? 0 : at->second) - p * draws;
      statistic += difference * difference / (p * draws);
    }
  }
  return statistic;
}

TEST(MaskerTest, DrawsWithoutReplacementByCountToTheMinusSmoothing) {
  std::vector<std::uint64_t> counts(kTestVocabulary, 1);
  const std::vector<TokenId> tokens = {TestSpecials().classify, 200, 201, 202, 203, TestSpecials().separator};
  const std::vector<std::uint64_t> frequencies = {0, 10, 100, 1000};  // 0 counts as 1
  std::vector<double> weights;
  for (std::size_t i = 0; i < 4; ++i) {
    counts[200 + i] = frequencies[i];
    weights.push_back(std::pow(std::max<double>(1, static_cast<double>(frequencies[i])), -0.7));
  }
  const Masker masker({.seed = 77, .rate = 0.25}, counts, TestSpecials());
  constexpr int kDraws = 40000;
  std::map<std::pair<int, int>, int> seen;
  for (std::uint32_t variant = 0; variant < kDraws; ++variant) {
    const MaskedSequence masked = masker.Mask(tokens, variant);
    ASSERT_EQ(masked.positions.size(), 2U);
    ++seen[{masked.positions[0] - 1, masked.positions[1] - 1}];
  }
  // With 5 degrees of freedom, the right weights exceed 25.7 once in 10,000 times.
  EXPECT_LT(ChiSquareOfPairs(weights, seen, kDraws), 25.7);
  for (double& weight : weights) weight = std::pow(weight, 0.6 / 0.7);
  EXPECT_GT(ChiSquareOfPairs(weights, seen, kDraws), 100);  // the statistic tells a smoothing of 0.6 apart
}

}  // namespace
}  // namespace still::shards
