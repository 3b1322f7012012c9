// Rounds: a piece at a time, then one deal that says how many shards follow, then those, then the putting together.
#include "coordinator/launch/leased_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "common/progress.h"
#include "common/proto/control.pb.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_build.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using std::chrono::seconds;
using stillhouse::v1::LeaseGrant;
using stillhouse::v1::ShardDone;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kShard = stillhouse::v1::LEASE_ANSWER_SHARD;
constexpr auto kWait = stillhouse::v1::LEASE_ANSWER_WAIT;
constexpr auto kCommit = stillhouse::v1::LEASE_ANSWER_COMMIT;

const std::vector<WorkRound> kCorpus = {
    {.shard = "piece", .shards = 3}, {.shard = "deal", .shards = 1}, {.shard = "shard"}};

class DivisibleWorkTest : public ::testing::Test {
 protected:
  LeaseGrant Ask(std::uint32_t rank) { return work_.Answer(rank, ++requests_[rank], false, now_); }
  // What a rank says of what it was granted.
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
    return work_.NoteDone(rank, Of(grant, digest), now_);
  }
  // Rank 0 does what there is of a round.
  void DoRound(std::uint32_t round) {
    while (true) {
      const LeaseGrant grant = Ask(0);
      if (grant.answer() != kShard || grant.round() != round) return;
      ASSERT_OK(Done(0, grant));
    }
  }
  void Pass(Clock::TimePoint::duration time) { now_ += time; }

  DivisibleWork work_{"corpus", kCorpus, {.patience = seconds(60)}};
  Clock::TimePoint now_{seconds(1000)};
  std::map<std::uint32_t, std::uint64_t> requests_;  // by rank
};

TEST_F(DivisibleWorkTest, ARoundBeginsWhenTheOneBeforeIsDoneAndLeasesRiseThroughAll) {
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
  EXPECT_EQ(work_.units(), 30u) << "the rounds after the first count nothing,";
  EXPECT_EQ(work_.reached(), 33u) << "but are something gained";
}

TEST_F(DivisibleWorkTest, OneRankDealsAndTheOthersWait) {
  DoRound(0);
  EXPECT_EQ(work_.shards_done(), 3u);
  EXPECT_EQ(Ask(1).answer(), kWait) << "rank 0 holds the deal";
  work_.NoteDeath(0);
  const LeaseGrant deal = Ask(1);
  EXPECT_EQ(deal.round(), 1u);
  ASSERT_OK(Done(1, deal));
  EXPECT_EQ(Ask(1).round(), 2u);
  EXPECT_EQ(Ask(2).shard(), 1u);
  EXPECT_EQ(Ask(3).answer(), kWait);
}

TEST_F(DivisibleWorkTest, WhatIsFoundMadeSaysHowManyFollowAsWell) {
  for (int shard = 0; shard < 4; ++shard) {
    ShardDone found = Of(Ask(0));
    found.set_found(true);
    ASSERT_OK(work_.NoteDone(0, found, now_));
  }
  EXPECT_EQ(Ask(0).round(), 2u);
  EXPECT_EQ(work_.tokens(), 0u) << "nothing was computed";
  EXPECT_EQ(work_.units(), 30u);
}

TEST_F(DivisibleWorkTest, ARoundOfWhichNobodySaidHowLargeItIsEndsTheWork) {
  DoRound(0);
  ShardDone silent = Of(Ask(0));
  silent.clear_next_shards();
  EXPECT_THAT(work_.NoteDone(0, silent, now_),
              StatusIs(Code::kInvalidArgument, HasSubstr("round 1 is done, and nobody said")));
}

TEST_F(DivisibleWorkTest, ALateResultOfAnEarlierRoundIsComparedWithWhatCounted) {
  const LeaseGrant slow = Ask(1);
  Pass(seconds(61));
  DoRound(0);
  DoRound(1);
  ASSERT_OK(Done(1, slow)) << "the same";
  EXPECT_EQ(work_.units(), 30u);
  EXPECT_THAT(Done(1, slow, "other"),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("piece 0 was computed twice with different results"),
                                              HasSubstr("same by rank 0"), HasSubstr("other by rank 1"))));
}

TEST_F(DivisibleWorkTest, ALateResultNamesItsOwnRoundsLease) {
  const LeaseGrant slow = Ask(1);
  Pass(seconds(61));
  DoRound(0);
  const LeaseGrant deal = Ask(2);
  EXPECT_EQ(deal.answer(), kWait);
  ShardDone other = Of(slow);
  other.set_round(1);  // a lease of round 0
  EXPECT_THAT(work_.NoteDone(1, other, now_), StatusIs(Code::kInvalidArgument, HasSubstr("deal 0 is reported done")));
  other.set_round(2);
  EXPECT_THAT(work_.NoteDone(1, other, now_), StatusIs(Code::kInvalidArgument, HasSubstr("has not begun")));
}

TEST_F(DivisibleWorkTest, TheCommitIsNoShardThatSomebodyMayReportDone) {
  DivisibleWork targets("targets", {{.shards = 1}}, {});
  ASSERT_OK(targets.NoteDone(0, Of(targets.Answer(0, 1, false, now_)), now_));
  EXPECT_EQ(targets.Answer(0, 2, false, now_).answer(), kCommit);
  ShardDone commit;
  commit.set_round(1);
  commit.set_lease(2);
  commit.set_digest("d");
  EXPECT_THAT(targets.NoteDone(0, commit, now_), StatusIs(Code::kInvalidArgument, HasSubstr("has not begun")));
}

TEST_F(DivisibleWorkTest, ARepeatOfARequestThatAnEarlierRoundAnsweredGetsNothing) {
  const LeaseGrant piece = Ask(0);
  EXPECT_EQ(work_.Answer(0, 1, false, now_).lease(), piece.lease()) << "within the round, the same";
  ASSERT_OK(Done(0, piece));
  for (int shard = 1; shard < 3; ++shard) ASSERT_OK(Done(1, Ask(1)));
  EXPECT_EQ(work_.Answer(0, 1, false, now_).answer(), kWait);
  EXPECT_EQ(work_.granted(), 3u) << "no deal is leased to somebody who does not know of it";
  EXPECT_EQ(work_.Answer(0, 2, false, now_).round(), 1u);
}

TEST_F(DivisibleWorkTest, WhoDiedInARoundIsDeadInTheNextOne) {
  work_.NoteDeath(1);
  DoRound(0);
  EXPECT_EQ(Ask(1).answer(), kWait);
  work_.NoteDeath(0);
  EXPECT_EQ(Ask(1).answer(), kWait) << "though the deal is free";
  EXPECT_EQ(Ask(2).round(), 1u);
}

TEST_F(DivisibleWorkTest, ADeathInTheCommitLeavesItToAnother) {
  for (std::uint32_t round = 0; round < 3; ++round) DoRound(round);  // ends by asking for the commit
  EXPECT_EQ(Ask(1).answer(), kWait);
  work_.NoteDeath(0);
  EXPECT_EQ(Ask(1).answer(), kCommit);
}

TEST_F(DivisibleWorkTest, ASlowCommitIsItsRanksAsLongAsThatGoesOn) {
  for (std::uint32_t round = 0; round < 2; ++round) DoRound(round);
  ASSERT_OK(Done(0, Ask(0)));
  ASSERT_OK(Done(0, Ask(0)));
  const LeaseGrant commit = Ask(0);
  ASSERT_EQ(commit.answer(), kCommit);
  stillhouse::v1::Progress progress;
  progress.set_lease(commit.lease());
  for (std::uint64_t minute = 1; minute < 4; ++minute) {
    Pass(seconds(50));
    progress.set_signs(minute);
    work_.NoteProgress(0, progress, now_);
    EXPECT_EQ(Ask(1).answer(), kWait);
  }
  Pass(seconds(61));
  EXPECT_EQ(Ask(1).answer(), kCommit);
}

TEST_F(DivisibleWorkTest, SignsOfProgressRenewWhereNothingIsCounted) {
  DoRound(0);
  work_.NoteDeath(0);
  const LeaseGrant deal = Ask(1);
  stillhouse::v1::Progress progress;
  progress.set_lease(deal.lease());
  for (int minute = 1; minute < 4; ++minute) {
    Pass(seconds(50));
    progress.set_signs(static_cast<std::uint64_t>(minute));
    work_.NoteProgress(1, progress, now_);
  }
  EXPECT_EQ(Ask(2).answer(), kWait) << "it goes on";
  EXPECT_EQ(work_.units(), 30u);
  Pass(seconds(61));
  work_.NoteProgress(1, progress, now_);  // no more than before
  EXPECT_EQ(Ask(2).round(), 1u);
}

// Of which each mebibyte takes 50 s.
TEST_F(DivisibleWorkTest, ABookThatTakesLongIsLeasedToOneRankForAsLongAsThatGoesOn) {
  const testing::TempDirectory directory;
  std::string text;
  while (text.size() < std::size_t{4} << 20) text += "one two ";
  ASSERT_OK(WriteFileAtomically(directory / "book.txt", text));
  ASSERT_OK(WriteFileAtomically(directory / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\n"));
  const shards::CorpusOptions options = {.books = {directory / "book.txt"}, .vocab = directory / "vocab.txt"};
  ASSERT_OK_AND_ASSIGN(const auto inputs, shards::ReadCorpusInputs(options));
  ASSERT_OK_AND_ASSIGN(auto build, shards::CorpusBuild::Open(options, inputs, ArtifactStore(directory / "artifacts")));

  DivisibleWork work("corpus", {{.shard = "piece", .shards = 1}}, {.patience = seconds(60)});
  const LeaseGrant piece = work.Answer(0, 1, false, now_);
  stillhouse::v1::Progress said;
  said.set_lease(piece.lease());
  std::vector<std::uint64_t> done;
  const ProgressListener renewal([&] {  // as a rank's
    Pass(seconds(50));
    said.set_signs(said.signs() + 1);
    work.NoteProgress(0, said, now_);
    EXPECT_EQ(work.Answer(1, said.signs(), false, now_).answer(), kWait) << "at beat " << said.signs();
  });
  std::string computed;
  ASSERT_OK(build.Make(
      shards::CorpusPass::kTokenise, 0,
      [&](const shards::CorpusProgress& progress) {
        if (done.empty() || done.back() < progress.input_bytes) done.push_back(progress.input_bytes);
        said.set_done(progress.input_bytes);
        MarkProgress();
        return Ok();
      },
      &computed));
  EXPECT_GT(said.signs(), 8u) << "to read it, to tokenise it";
  EXPECT_GE(done.size(), 4u) << "what is done of it is told meanwhile";
  EXPECT_EQ(done.back(), text.size());
  Pass(seconds(60));
  EXPECT_EQ(work.Answer(1, said.signs() + 1, false, now_).answer(), kShard) << "no sign of life";
}

TEST_F(DivisibleWorkTest, AStageWithoutShardsHasNothingToDo) {
  DivisibleWork none("train", {}, {});
  EXPECT_FALSE(none.Any());
  EXPECT_EQ(none.Answer(0, 1, false, now_).answer(), kWait);
  EXPECT_EQ(none.NoteDone(0, ShardDone(), now_).code(), Code::kInvalidArgument);
  none.NoteDeath(0);
  EXPECT_EQ(none.reached(), 0u);
}

}  // namespace
}  // namespace still::coordinator
