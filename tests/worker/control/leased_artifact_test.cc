// The rank's side of divisible work, over an artifact and a link in memory.
#include "worker/control/leased_artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/enum_words.h"
#include "common/progress.h"
#include "tests/testing/status_matchers.h"

namespace still::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using testing::StatusIs;

std::string Text(ShardId id) { return fmt::format("{}/{}", id.round, id.shard); }

// Grants what a test says, and remembers what is said.
class ScriptedLink final : public ControlLink {
 public:
  explicit ScriptedLink(std::deque<v1::LeaseGrant> leases) : leases_(std::move(leases)) {}

  // The thread that renews the lease calls it.
  void ReportProgress(const v1::Progress& progress) override {
    const std::lock_guard lock(mutex_);
    reports_.push_back(progress);
  }
  Result<v1::LeaseGrant> NextShard() override {
    on_request();
    if (leases_.empty()) return Error(Code::kAborted, "fenced");
    const v1::LeaseGrant lease = leases_.front();
    leases_.pop_front();
    return lease;
  }
  Status ShardDone(const v1::ShardDone& shard) override {
    finished.push_back(shard);
    return Ok();
  }
  Status Poll() override { return Ok(); }
  Status PartsWritten(const v1::PartsWritten&) override { return Ok(); }
  std::optional<std::uint64_t> PublishedStep() const override { return std::nullopt; }
  Result<std::uint64_t> RequestShrink(std::uint64_t, const std::vector<int>&) override { return 0; }
  void ReportStorageTrouble(const std::string&) override {}
  void ReportResult(const Status& status) override { results.push_back(status); }

  std::vector<v1::Progress> reports() const {
    const std::lock_guard lock(mutex_);
    return reports_;
  }

  std::vector<v1::ShardDone> finished;
  std::vector<Status> results;
  std::function<void()> on_request = [] {};

 private:
  std::deque<v1::LeaseGrant> leases_;
  mutable std::mutex mutex_;
  std::vector<v1::Progress> reports_;
};

// Two rounds; shards of the first one count 4 units each and its last one says how many follow.
class ArtifactInMemory final : public LeasedArtifact {
 public:
  std::uint64_t TotalUnits() const override { return 8; }
  v1::ProgressUnit Unit() const override { return v1::PROGRESS_UNIT_BYTES; }
  Result<std::uint64_t> UnitsOf(ShardId id) const override {
    if (id.round > 1) return Error(Code::kInternal, "no such round");
    return id.round == 0 ? 4U : 0U;
  }
  v1::Phase PhaseOf(ShardId id) const override { return id.round == 0 ? v1::PHASE_TOKENISE : v1::PHASE_COPY; }
  Result<std::string> MadeDigest(ShardId id) const override {
    const auto found = made.find(Text(id));
    if (found == made.end()) return Error(Code::kNotFound, "not made");
    return found->second;
  }
  Result<std::string> Make(ShardId id, const std::function<void(const ShardProgress&)>& on_progress,
                           std::string* computed) override {
    on_make();
    on_progress({.units = 2, .tokens = 10, .values = {{"documents", 1}}});
    on_half();
    on_progress({.units = 4, .tokens = 20, .values = {{"documents", 3}}});
    if (!failure.ok()) return failure;
    *computed = "digest of " + Text(id);
    if (overtaken) return Error(Code::kAlreadyExists, "the artifact stands");
    if (another_differs) return Error(Code::kDataLoss, "another");
    return *computed;
  }
  Result<std::uint32_t> NextShards(ShardId id) const override { return id.round == 0 && id.shard == 1 ? 5U : 0U; }
  Status Quarantine(ShardId id) const override {
    set_aside.push_back(Text(id));
    return Ok();
  }
  Status Commit(const WorkMeasures& measures) const override {
    on_make();
    commits.push_back(measures);
    return Ok();
  }

  std::map<std::string, std::string> made;
  std::function<void()> on_make = [] {};
  std::function<void()> on_half = [] {};  // when half of a shard is made
  Status failure;
  bool another_differs = false;
  bool overtaken = false;
  mutable std::vector<std::string> set_aside;
  mutable std::vector<WorkMeasures> commits;
};

v1::LeaseGrant Answer(v1::LeaseAnswer answer) {
  v1::LeaseGrant grant;
  grant.set_answer(answer);
  grant.set_tokens(700);
  return grant;
}
v1::LeaseGrant Done() { return Answer(v1::LEASE_ANSWER_DONE); }
v1::LeaseGrant Commit() { return Answer(v1::LEASE_ANSWER_COMMIT); }
v1::LeaseGrant Shard(std::uint32_t round, std::uint32_t shard) {
  v1::LeaseGrant grant = Answer(v1::LEASE_ANSWER_SHARD);
  grant.set_round(round);
  grant.set_shard(shard);
  return grant;
}

TEST(LeasedArtifactTest, MakesEveryShardItIsGrantedAndCommitsWhenTold) {
  ScriptedLink link({Shard(0, 0), Shard(0, 1), Commit()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  ASSERT_EQ(link.finished.size(), 2u);
  EXPECT_EQ(link.finished[0].digest(), "digest of 0/0");
  EXPECT_FALSE(link.finished[0].found());
  EXPECT_EQ(link.finished[0].units(), 4u);
  EXPECT_EQ(link.finished[0].tokens(), 20u);
  EXPECT_EQ(link.finished[0].next_shards(), 0u);
  EXPECT_EQ(link.finished[1].next_shards(), 5u);
  ASSERT_EQ(artifact.commits.size(), 1u);
  EXPECT_GT(artifact.commits[0].tokens_per_second, 0);
  ASSERT_EQ(link.results.size(), 1u) << "at once: the others wait for it";
  EXPECT_OK(link.results[0]);
}

TEST(LeasedArtifactTest, ProgressCountsTheShardInHandAndSumsTokensAndValuesOverAllShards) {
  ScriptedLink link({Shard(0, 0), Shard(0, 1), Done()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  std::vector<std::string> reports;
  for (const v1::Progress& said : link.reports()) {
    const auto documents = said.values().find("documents");
    reports.push_back(fmt::format("{}/{} {}, {} tokens, {} documents", said.done(), said.total(), EnumWord(said.unit()),
                                  said.tokens(), documents == said.values().end() ? 0 : documents->second));
  }
  // The reports in between depend on when the renewing thread looks.
  EXPECT_THAT(reports, IsSupersetOf({"0/8 bytes, 0 tokens, 0 documents", "4/8 bytes, 20 tokens, 3 documents",
                                     "4/8 bytes, 40 tokens, 6 documents"}));
  EXPECT_THAT(link.results, IsEmpty()) << "that is the matter of who puts it together";
}

// The artifact reports nothing itself. It only marks progress, as a read of a large file does.
TEST(LeasedArtifactTest, MarksWithinAShardAndTheCommitAreReportedAndChangeNoCount) {
  ScriptedLink link({Shard(0, 0), Commit()});
  ArtifactInMemory artifact;
  SharedProgress shared;
  ProgressWriter words(&shared);
  const ProgressScope scope(&shared.marks);
  const auto mark_and_wait = [&] {
    for (int i = 0; i < 2; ++i) {
      const std::size_t before = link.reports().size();
      MarkProgress();
      while (link.reports().size() == before) std::this_thread::yield();
    }
  };
  artifact.on_half = mark_and_wait;
  int made = 0;
  artifact.on_make = [&] {
    if (++made == 2) mark_and_wait();  // the commit
  };
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  std::vector<std::uint64_t> done;
  for (const v1::Progress& said : link.reports()) done.push_back(said.done());
  done.erase(std::unique(done.begin(), done.end()), done.end());
  EXPECT_THAT(done, ElementsAre(0, 2, 4, 0));
}

TEST(LeasedArtifactTest, NothingIsReportedWithoutProgress) {
  ScriptedLink link(std::deque{Commit()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  artifact.on_make = [] { std::this_thread::sleep_for(std::chrono::milliseconds(250)); };
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  EXPECT_EQ(link.reports().size(), 1u) << "the one at the start";
}

TEST(LeasedArtifactTest, TheGuardianSeesThePhaseOfEachShardAndOfWaiting) {
  ScriptedLink link({Shard(0, 0), Shard(1, 0), Commit()});
  ArtifactInMemory artifact;
  SharedProgress shared;
  ProgressWriter words(&shared);
  std::vector<v1::Phase> phases;
  const auto note = [&] { phases.push_back(static_cast<v1::Phase>(shared.phase.load())); };
  link.on_request = note;
  artifact.on_make = note;
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  EXPECT_THAT(phases, ElementsAre(v1::PHASE_WAIT, v1::PHASE_TOKENISE, v1::PHASE_WAIT, v1::PHASE_COPY, v1::PHASE_WAIT,
                                  v1::PHASE_COMMIT));
}

TEST(LeasedArtifactTest, AShardThatIsMadeIsFoundAndNotMadeAgain) {
  ScriptedLink link({Shard(0, 1), Done()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  artifact.made["0/1"] = "of an earlier launch";
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  ASSERT_EQ(link.finished.size(), 1u);
  EXPECT_TRUE(link.finished[0].found());
  EXPECT_EQ(link.finished[0].digest(), "of an earlier launch");
  EXPECT_EQ(link.finished[0].units(), 4u);
  EXPECT_EQ(link.finished[0].tokens(), 0u);
  EXPECT_EQ(link.finished[0].next_shards(), 5u);
}

TEST(LeasedArtifactTest, AResultThatDiffersFromAnothersIsSetAsideAndReported) {
  ScriptedLink link({Shard(1, 3), Done()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  artifact.another_differs = true;
  EXPECT_THAT(RunLeasedWork("corpus", artifact, link, words), StatusIs(Code::kDataLoss, "another"));
  EXPECT_THAT(artifact.set_aside, ElementsAre("1/3"));
  ASSERT_EQ(link.finished.size(), 1u);
  EXPECT_EQ(link.finished[0].round(), 1u);
  EXPECT_EQ(link.finished[0].digest(), "digest of 1/3");
}

TEST(LeasedArtifactTest, AResultThatComesAfterTheCommitIsReportedForComparing) {
  ScriptedLink link({Shard(0, 1), Done()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  artifact.overtaken = true;
  ASSERT_OK(RunLeasedWork("corpus", artifact, link, words));
  ASSERT_EQ(link.finished.size(), 1u);
  EXPECT_EQ(link.finished[0].digest(), "digest of 0/1") << "for comparing";
  EXPECT_EQ(link.finished[0].next_shards(), 0u);

  ScriptedLink other({Shard(0, 1), Done()});
  artifact.failure = Error(Code::kAlreadyExists, "gone");
  ASSERT_OK(RunLeasedWork("corpus", artifact, other, words));
  EXPECT_THAT(other.finished, IsEmpty()) << "there is nothing to say";
}

TEST(LeasedArtifactTest, DamagedInputIsAFailureAndNothingIsSetAside) {
  ScriptedLink link({Shard(0, 0), Done()});
  ArtifactInMemory artifact;
  ProgressWriter words;
  artifact.failure = Error(Code::kDataLoss, "the dump is torn");
  EXPECT_THAT(RunLeasedWork("corpus", artifact, link, words), StatusIs(Code::kDataLoss, "the dump is torn"));
  EXPECT_THAT(artifact.set_aside, IsEmpty());
  EXPECT_THAT(link.finished, IsEmpty());
}

TEST(LeasedArtifactTest, AShardThatDoesNotExistEndsTheWorkAndSoDoesAFence) {
  ScriptedLink link(std::deque{Shard(2, 0)});
  ArtifactInMemory artifact;
  ProgressWriter words;
  EXPECT_THAT(RunLeasedWork("corpus", artifact, link, words), StatusIs(Code::kInternal, "no such round"));
  EXPECT_THAT(RunLeasedWork("corpus", artifact, link, words), StatusIs(Code::kAborted, "fenced"));
}

}  // namespace
}  // namespace still::worker
