#include "worker/train/step_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "common/random.h"
#include "tests/testing/memory_corpus.h"
#include "tests/testing/status_matchers.h"
#include "worker/device/exact_sum.h"

namespace still::worker {
namespace {

using shards::TokenId;
using ::testing::HasSubstr;
using testing::MemoryCorpus;
using testing::StatusIs;

// Returns a corpus of sequences of 5 to 64 tokens, some with [UNK].
MemoryCorpus CorpusOf(std::uint64_t sequences) {
  std::vector<std::vector<TokenId>> text;
  for (std::uint64_t i = 0; i < sequences; ++i) {
    KeyedRandom random(i);
    std::vector<TokenId>& tokens = text.emplace_back(5 + random.NextBelow(60));
    for (TokenId& token : tokens) token = static_cast<TokenId>(random.NextBelow(100));
    tokens.front() = 2;  // [CLS]
    tokens.back() = 3;   // [SEP]
  }
  return MemoryCorpus(std::move(text));
}

class StepPlanTest : public ::testing::Test {
 protected:
  StepPlanner Planner() { return StepPlanner::Create(options_, corpus_, masker_).value(); }

  MemoryCorpus corpus_ = CorpusOf(103);
  shards::MaskPolicy policy_{.seed = 3, .variants = 2};
  shards::Masker masker_{policy_, corpus_.token_counts(), corpus_.special_tokens()};
  PlanOptions options_{.seed = 9,
                       .corpus_digest = "c0",
                       .epochs = 3,
                       .sequences_per_step = 20,
                       .microbatch_tokens = 200,
                       .mask_variants = 2};
};

TEST_F(StepPlanTest, EveryEpochUsesEverySequenceOnceInAnOrderOfItsOwn) {
  const StepPlanner planner = Planner();
  ASSERT_EQ(planner.total_steps(), 3 * 6U);  // the last step of an epoch has 3 sequences
  std::vector<std::vector<std::uint64_t>> used(3);
  for (std::uint64_t step = 0; step < planner.total_steps(); ++step) {
    ASSERT_OK_AND_ASSIGN(const StepPlan plan, planner.Plan(step));
    EXPECT_EQ(plan.epoch, step / 6);
    EXPECT_EQ(plan.variant, plan.epoch % 2);
    EXPECT_EQ(plan.sequences, step % 6 == 5 ? 3U : 20U);
    for (const auto& microbatch : plan.microbatches)
      used[plan.epoch].insert(used[plan.epoch].end(), microbatch.sequences.begin(), microbatch.sequences.end());
  }
  EXPECT_NE(used[0], used[1]);
  std::vector<std::uint64_t> all(103);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  for (auto& epoch : used) {
    std::ranges::sort(epoch);
    EXPECT_EQ(epoch, all);
  }
}

TEST_F(StepPlanTest, PositionsAreThoseThatTheMaskerWillChoose) {
  for (const bool all : {true, false}) {
    options_.targets_at_all_positions = all;
    ASSERT_OK_AND_ASSIGN(const StepPlan plan, Planner().Plan(7));
    std::int64_t masked = 0;
    std::int64_t tokens = 0;
    for (const auto& microbatch : plan.microbatches) {
      for (const std::uint64_t sequence : microbatch.sequences) {
        masked += static_cast<std::int64_t>(masker_.Mask(*corpus_.Sequence(sequence), plan.variant).positions.size());
        tokens += corpus_.Length(sequence);
      }
    }
    EXPECT_EQ(plan.positions.masked, masked);
    EXPECT_EQ(plan.positions.targets, all ? tokens : masked);
    EXPECT_EQ(plan.tokens, static_cast<std::uint64_t>(tokens));
  }
}

TEST_F(StepPlanTest, MaxStepsEndsTheEpochsEarlyAndZeroDoesNot) {
  options_.max_steps = 7;
  EXPECT_EQ(Planner().total_steps(), 7U);
  options_.max_steps = 700;
  EXPECT_EQ(Planner().total_steps(), 18U);
  options_.max_steps = 0;
  EXPECT_EQ(Planner().total_steps(), 18U);
}

TEST_F(StepPlanTest, SharesOfTheRanksPartitionTheStepEvenly) {
  ASSERT_OK_AND_ASSIGN(const StepPlan plan, Planner().Plan(0));
  ASSERT_GE(plan.microbatches.size(), 4U);
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const std::vector<std::int64_t> costs(static_cast<std::size_t>(ranks));
    std::vector<std::size_t> computed;
    std::vector<std::uint64_t> load;
    for (int rank = 0; rank < ranks; ++rank) {
      std::uint64_t& tokens = load.emplace_back(0);
      for (const std::size_t index : ShareOfRank(plan, AllMicrobatches(plan), rank, costs)) {
        computed.push_back(index);
        tokens += plan.microbatches[index].padded_length * plan.microbatches[index].sequences.size();
      }
    }
    std::ranges::sort(computed);
    std::vector<std::size_t> all(plan.microbatches.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    EXPECT_EQ(computed, all) << ranks << " ranks";
    EXPECT_LE(std::ranges::max(load) - std::ranges::min(load), 200U) << ranks << " ranks";  // one microbatch
  }
}

TEST_F(StepPlanTest, ASlowRankGetsLessAndNothingIsLost) {
  ASSERT_OK_AND_ASSIGN(const StepPlan plan, Planner().Plan(2));
  const std::vector<std::size_t> all = AllMicrobatches(plan);
  const auto quick = ShareOfRank(plan, all, 0, {100, 1000});
  const auto slow = ShareOfRank(plan, all, 1, {100, 1000});
  EXPECT_GT(quick.size(), slow.size());
  EXPECT_EQ(quick.size() + slow.size(), all.size());
  EXPECT_EQ(ShareOfRank(plan, all, 0, {0, 1000}), ShareOfRank(plan, all, 0, {7, 7}))
      << "one that is not known counts as the quickest";
  const auto some = ShareOfRank(plan, {1, 2}, 0, {5});
  EXPECT_EQ(some, (std::vector<std::size_t>{1, 2}));
}

TEST_F(StepPlanTest, ADamagedSequenceFailsTheStepThatHasIt) {
  ASSERT_OK_AND_ASSIGN(const StepPlan plan, Planner().Plan(2));
  corpus_.damaged = plan.microbatches.at(1).sequences.at(0);
  EXPECT_THAT(Planner().Plan(2), StatusIs(Code::kDataLoss));
  EXPECT_OK(Planner().Plan(3));
}

TEST_F(StepPlanTest, ACorpusThatCannotBeTrainedOnIsRefused) {
  const MemoryCorpus empty = CorpusOf(0);
  EXPECT_THAT(StepPlanner::Create(options_, empty, masker_), StatusIs(Code::kInvalidArgument));
  options_.epochs = 0;
  EXPECT_THAT(StepPlanner::Create(options_, corpus_, masker_), StatusIs(Code::kInvalidArgument));
}

TEST_F(StepPlanTest, MoreMicrobatchesThanCanBeSummedExactlyAreRefused) {
  const MemoryCorpus large = CorpusOf(kMaxTerms + 1);
  options_.sequences_per_step = kMaxTerms + 1;
  options_.microbatch_tokens = 1;
  ASSERT_OK_AND_ASSIGN(const StepPlanner planner, StepPlanner::Create(options_, large, masker_));
  EXPECT_THAT(planner.Plan(0), StatusIs(Code::kInvalidArgument, HasSubstr("microbatch_tokens")));
}

}  // namespace
}  // namespace still::worker
