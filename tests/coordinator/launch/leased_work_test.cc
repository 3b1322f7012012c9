// Rounds of leased work, as a corpus has them: input splits, one shard plan that says how many shards follow, those
// shards, and the commit.
#include "coordinator/launch/leased_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "common/config/pipeline_config.h"
#include "common/progress.h"
#include "common/proto/control.pb.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_build.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;
using v1::LeaseGrant;
using v1::ShardDone;

constexpr auto kShard = v1::LEASE_ANSWER_SHARD;
constexpr auto kWait = v1::LEASE_ANSWER_WAIT;
constexpr auto kCommit = v1::LEASE_ANSWER_COMMIT;

const std::vector<WorkRound> kCorpus = {
    {.shard = "input split", .shards = 3}, {.shard = "shard plan", .shards = 1}, {.shard = "shard"}};

class LeasedWorkTest : public ::testing::Test {
 protected:
  LeaseGrant Ask(std::uint32_t rank) { return work_.Answer(rank, ++requests_[rank], false, now_); }
  // Returns what a rank reports about a shard that it was granted.
  static ShardDone Of(const LeaseGrant& grant, const std::string& digest = "same") {
    ShardDone done;
    done.set_round(grant.round());
    done.set_shard(grant.shard());
    done.set_lease(grant.lease());
    done.set_digest(digest);
    if (grant.round() == 0) done.set_units(10);
    if (grant.round() == 0) done.set_tokens(100);
    if (grant.round() == 1) done.set_next_shards(2);
    return done;
  }
  Status Done(std::uint32_t rank, const LeaseGrant& grant, const std::string& digest = "same") {
    return work_.OnDone(rank, Of(grant, digest), now_);
  }
  // Lets rank 0 do all shards of a round.
  void DoRound(std::uint32_t round) {
    while (true) {
      const LeaseGrant grant = Ask(0);
      if (grant.answer() != kShard || grant.round() != round) return;
      ASSERT_OK(Done(0, grant));
    }
  }
  void Pass(Clock::TimePoint::duration time) { now_ += time; }

  LeasedWork work_{v1::STAGE_CORPUS, kCorpus, {.patience = seconds(60)}};
  Clock::TimePoint now_{seconds(1000)};
  std::map<std::uint32_t, std::uint64_t> requests_;  // by rank
};

TEST_F(LeasedWorkTest, ARoundBeginsWhenTheOneBeforeIsDoneAndLeasesRiseThroughAll) {
  std::vector<std::string> given;
  LeaseGrant grant = Ask(0);
  for (; grant.answer() == kShard; grant = Ask(0)) {
    given.push_back(fmt::format("{}/{}", grant.round(), grant.shard()));
    EXPECT_EQ(grant.lease(), given.size());
    ASSERT_OK(Done(0, grant));
  }
  EXPECT_THAT(given, ElementsAre("0/0", "0/1", "0/2", "1/0", "2/0", "2/1"));
  EXPECT_EQ(grant.answer(), kCommit);
  EXPECT_EQ(grant.tokens(), 300u);
  EXPECT_EQ(grant.lease(), 7u);
  EXPECT_EQ(work_.units(), 30u) << "later rounds have no units";
  EXPECT_EQ(work_.reached(), 33u) << "but their shards are progress, too";
}

TEST_F(LeasedWorkTest, OneRankPlansTheShardsAndTheOthersWait) {
  DoRound(0);
  EXPECT_EQ(work_.shards_done(), 3u);
  EXPECT_EQ(Ask(1).answer(), kWait) << "rank 0 holds the shard plan";
  work_.OnDeath(0);
  const LeaseGrant plan = Ask(1);
  EXPECT_EQ(plan.round(), 1u);
  ASSERT_OK(Done(1, plan));
  EXPECT_EQ(Ask(1).round(), 2u);
  EXPECT_EQ(Ask(2).shard(), 1u);
  EXPECT_EQ(Ask(3).answer(), kWait);
}

TEST_F(LeasedWorkTest, AResultThatWasFoundAlsoSaysHowManyShardsFollow) {
  for (int shard = 0; shard < 4; ++shard) {
    ShardDone found = Of(Ask(0));
    found.set_found(true);
    ASSERT_OK(work_.OnDone(0, found, now_));
  }
  EXPECT_EQ(Ask(0).round(), 2u);
  EXPECT_EQ(work_.tokens(), 0u) << "nothing was computed";
  EXPECT_EQ(work_.units(), 30u);
}

TEST_F(LeasedWorkTest, ARoundOfUnknownSizeEndsTheWork) {
  DoRound(0);
  ShardDone silent = Of(Ask(0));
  silent.clear_next_shards();
  EXPECT_THAT(work_.OnDone(0, silent, now_), StatusIs(Code::kInvalidArgument, HasSubstr("round 1")));
}

TEST_F(LeasedWorkTest, ALateResultOfAnEarlierRoundIsComparedWithWhatCounted) {
  const LeaseGrant slow = Ask(1);
  Pass(seconds(61));
  DoRound(0);
  DoRound(1);
  ASSERT_OK(Done(1, slow)) << "it has the same digest";
  EXPECT_EQ(work_.units(), 30u);
  EXPECT_THAT(Done(1, slow, "other"),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("input split 0"), HasSubstr("same by rank 0"), HasSubstr("other by rank 1"))));
}

TEST_F(LeasedWorkTest, ALateResultNamesItsOwnRoundsLease) {
  const LeaseGrant slow = Ask(1);
  Pass(seconds(61));
  DoRound(0);
  const LeaseGrant plan = Ask(2);
  EXPECT_EQ(plan.answer(), kWait);
  ShardDone other = Of(slow);
  other.set_round(1);  // the lease is of round 0
  EXPECT_THAT(work_.OnDone(1, other, now_), StatusIs(Code::kInvalidArgument, HasSubstr("shard plan 0")));
  other.set_round(2);
  EXPECT_THAT(work_.OnDone(1, other, now_), StatusIs(Code::kInvalidArgument));
}

TEST_F(LeasedWorkTest, TheCommitCannotBeReportedDoneAsAShard) {
  LeasedWork targets(v1::STAGE_TARGETS, {{.shards = 1}}, {});
  ASSERT_OK(targets.OnDone(0, Of(targets.Answer(0, 1, false, now_)), now_));
  EXPECT_EQ(targets.Answer(0, 2, false, now_).answer(), kCommit);
  ShardDone commit;
  commit.set_round(1);
  commit.set_lease(2);
  commit.set_digest("d");
  EXPECT_THAT(targets.OnDone(0, commit, now_), StatusIs(Code::kInvalidArgument));
}

TEST_F(LeasedWorkTest, ARepeatOfARequestThatAnEarlierRoundAnsweredGetsNothing) {
  const LeaseGrant split = Ask(0);
  EXPECT_EQ(work_.Answer(0, 1, false, now_).lease(), split.lease()) << "within the round the answer is the same";
  ASSERT_OK(Done(0, split));
  for (int shard = 1; shard < 3; ++shard) ASSERT_OK(Done(1, Ask(1)));
  EXPECT_EQ(work_.Answer(0, 1, false, now_).answer(), kWait);
  EXPECT_EQ(work_.granted(), 3u) << "no shard plan is leased to a rank that would not learn of it";
  EXPECT_EQ(work_.Answer(0, 2, false, now_).round(), 1u);
}

TEST_F(LeasedWorkTest, ARankThatDiedInARoundIsDeadInTheNextOne) {
  work_.OnDeath(1);
  DoRound(0);
  EXPECT_EQ(Ask(1).answer(), kWait);
  work_.OnDeath(0);
  EXPECT_EQ(Ask(1).answer(), kWait) << "although the shard plan is free";
  EXPECT_EQ(Ask(2).round(), 1u);
}

TEST_F(LeasedWorkTest, ACommitWhoseRankDiesGoesToAnotherRank) {
  for (std::uint32_t round = 0; round < 3; ++round) DoRound(round);  // ends by asking for the commit
  EXPECT_EQ(Ask(1).answer(), kWait);
  work_.OnDeath(0);
  EXPECT_EQ(Ask(1).answer(), kCommit);
}

TEST_F(LeasedWorkTest, ASlowCommitStaysWithItsRankWhileItMakesProgress) {
  for (std::uint32_t round = 0; round < 2; ++round) DoRound(round);
  ASSERT_OK(Done(0, Ask(0)));
  ASSERT_OK(Done(0, Ask(0)));
  const LeaseGrant commit = Ask(0);
  ASSERT_EQ(commit.answer(), kCommit);
  v1::Progress progress;
  progress.set_lease(commit.lease());
  for (std::uint64_t minute = 1; minute < 4; ++minute) {
    Pass(seconds(50));
    progress.set_signs(minute);
    work_.OnProgress(0, progress, now_);
    EXPECT_EQ(Ask(1).answer(), kWait);
  }
  Pass(seconds(61));
  EXPECT_EQ(Ask(1).answer(), kCommit);
}

TEST_F(LeasedWorkTest, SignsOfProgressRenewALeaseWithoutUnits) {
  DoRound(0);
  work_.OnDeath(0);
  const LeaseGrant plan = Ask(1);
  v1::Progress progress;
  progress.set_lease(plan.lease());
  for (int minute = 1; minute < 4; ++minute) {
    Pass(seconds(50));
    progress.set_signs(static_cast<std::uint64_t>(minute));
    work_.OnProgress(1, progress, now_);
  }
  EXPECT_EQ(Ask(2).answer(), kWait) << "rank 1 makes progress";
  EXPECT_EQ(work_.units(), 30u);
  Pass(seconds(61));
  work_.OnProgress(1, progress, now_);  // no more than before
  EXPECT_EQ(Ask(2).round(), 1u);
}

// The time from one report to the next is 50 s.
TEST_F(LeasedWorkTest, ABookThatTakesLongStaysWithItsRankWhileItMakesProgress) {
  const testing::TempDirectory directory;
  std::string text;
  while (text.size() < std::size_t{4} << 20) text += "one two ";
  ASSERT_OK(WriteFileAtomically(directory / "book.txt", text));
  ASSERT_OK(WriteFileAtomically(directory / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\n"));
  v1::CorpusConfig corpus = DefaultPipelineConfig().corpus();
  corpus.add_books(directory / "book.txt");
  corpus.set_vocab(directory / "vocab.txt");
  ASSERT_OK_AND_ASSIGN(const auto inputs, shards::ReadCorpusInputs(corpus));
  ASSERT_OK_AND_ASSIGN(auto build, shards::CorpusBuild::Open(corpus, inputs, ArtifactStore(directory / "artifacts")));

  LeasedWork work(v1::STAGE_CORPUS, {{.shard = "input split", .shards = 1}}, {.patience = seconds(60)});
  const LeaseGrant split = work.Answer(0, 1, false, now_);
  v1::Progress said;
  said.set_lease(split.lease());
  std::vector<std::uint64_t> done;
  std::uint64_t request = 0;
  ProgressMarks marks;
  const ProgressScope scope(&marks);
  std::string computed;
  ASSERT_OK(build.Make(
      shards::CorpusPass::kTokenise, 0,
      [&](const shards::CorpusProgress& progress) {
        if (done.empty() || done.back() < progress.input_bytes) done.push_back(progress.input_bytes);
        said.set_done(progress.input_bytes);
        MarkProgress();  // as leased work does
        said.set_signs(marks.count);
        Pass(seconds(50));
        work.OnProgress(0, said, now_);
        EXPECT_EQ(work.Answer(1, ++request, false, now_).answer(), kWait) << "at sign " << said.signs();
        return Ok();
      },
      &computed));
  EXPECT_GT(marks.count, 8u) << "signs come while it is read and while it is tokenised";
  EXPECT_GE(done.size(), 4u) << "progress within it is reported meanwhile";
  EXPECT_EQ(done.back(), text.size());
  Pass(seconds(60));
  EXPECT_EQ(work.Answer(1, ++request, false, now_).answer(), kShard) << "rank 0 made no progress";
}

}  // namespace
}  // namespace still::coordinator
