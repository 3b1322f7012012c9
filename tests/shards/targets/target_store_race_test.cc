// Several processes build one targets artifact: they compute the same shard, die during it, get different results, and
// commit at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "common/host_name.h"
#include "common/random.h"
#include "shards/targets/target_store.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr TargetSpec kSpec = {.codec = TargetCodec::kHiddenF16, .width = 7, .temperature = 2.0};
constexpr std::uint32_t kShards = 3;

class TargetStoreRaceTest : public ::testing::Test {
 protected:
  TargetStoreRaceTest() { identity_.Add("teacher", "abc"); }

  TargetStore Open() { return TargetStore::Open(artifacts_, identity_, kSpec, kShards).value(); }
  // Returns a writer that has all records of `shard`, as the process `name` would have. `wrong` makes one of them
  // differ.
  std::unique_ptr<TargetWriter> Compute(const TargetStore& store, std::uint32_t shard, const std::string& name,
                                        bool wrong = false) {
    ShardPlace place = store.PlaceOf(shard);
    place.staged_as += name;  // two processes have different process ids
    auto writer = TargetWriter::Create(place, kSpec).value();
    for (std::uint32_t sequence = 0; sequence < 9; ++sequence) {
      TargetRecord record{.masked_hash = shard, .positions = 1 + sequence};
      record.hidden.assign(record.positions * kSpec.width, wrong && sequence == 5 ? 0.5F : 0.25F);
      EXPECT_OK(writer->Append(sequence, 0, record));
    }
    return writer;
  }
  void SealAll(const TargetStore& store) {
    for (std::uint32_t shard = 0; shard < kShards; ++shard)
      EXPECT_OK(Compute(store, shard, "a")->Seal(store.identity()));
  }
  std::vector<std::string> Entries() const { return ListDirectory(directory_ / "targets").value(); }
  std::string digest() const { return identity_.Digest(); }

  testing::TempDirectory directory_;
  ArtifactStore artifacts_{directory_.path()};
  IdentityBuilder identity_{"targets"};
};

TEST_F(TargetStoreRaceTest, TheSecondToSealAShardGivesTheResultOfTheFirst) {
  const TargetStore store = Open();
  const auto fast = Compute(store, 1, "fast");
  const auto slow = Compute(store, 1, "slow");
  EXPECT_THAT(store.SealedDigest(1), StatusIs(Code::kNotFound));
  ASSERT_OK_AND_ASSIGN(const std::string first, fast->Seal(store.identity()));
  ASSERT_OK_AND_ASSIGN(const std::string second, slow->Seal(store.identity()));
  EXPECT_EQ(first, second);
  EXPECT_EQ(*store.SealedDigest(1), first);
  EXPECT_THAT(*ListDirectory(store.building_path()), ElementsAre("shard-00001"));
}

TEST_F(TargetStoreRaceTest, AShardSealedAfterTheCommitIsComparedWithTheArtifact) {
  const TargetStore store = Open();
  const auto slow = Compute(store, 2, "slow");
  const auto wrong = Compute(store, 2, "wrong", /*wrong=*/true);
  SealAll(store);
  ASSERT_OK(store.Commit({}));
  EXPECT_THAT(*ListDirectory(store.final_path()),
              ElementsAre("identity.txt", "manifest.json", "shard-00000", "shard-00001", "shard-00002", "summary.json"))
      << "unsealed shards stand elsewhere";
  ASSERT_OK_AND_ASSIGN(const std::string digest, slow->Seal(store.identity()));
  EXPECT_EQ(*store.SealedDigest(2), digest);
  EXPECT_THAT(wrong->Seal(store.identity()),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr(digest), HasSubstr(wrong->digest()))));
  EXPECT_FALSE(Exists(store.building_path()));
}

TEST_F(TargetStoreRaceTest, LeftoversOfAKilledProcessDoNotDisturbOthers) {
  const TargetStore store = Open();
  const pid_t child = fork();
  if (child == 0) {
    const auto writer = Compute(store, 0, "");
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::string left = fmt::format("{}.shard-00000.partial-{}-{}", digest(), HostName(), child);
  EXPECT_THAT(Entries(), ::testing::UnorderedElementsAre(left, digest() + ".building"));

  const auto other_host = fmt::format("{}.shard-00000.partial-elsewhere-{}", store.final_path(), child);
  ASSERT_OK(MakeDirectories(other_host));
  const auto alive = Compute(store, 0, "");
  ASSERT_OK(store.RemoveLeftovers());
  EXPECT_FALSE(Exists(JoinPath(directory_ / "targets", left)));
  EXPECT_TRUE(Exists(other_host)) << "whether a process of another host lives is not known here";
  ASSERT_OK(alive->Seal(store.identity()));
}

TEST_F(TargetStoreRaceTest, ADisputedShardIsSetAsideAndMadeAnew) {
  const TargetStore store = Open();
  ASSERT_OK(Compute(store, 1, "a", /*wrong=*/true)->Seal(store.identity()));
  ASSERT_OK(QuarantineTargetShard(artifacts_, digest(), 1));
  EXPECT_EQ(store.SealedDigest(1).status().code(), Code::kNotFound);
  EXPECT_TRUE(Exists(store.final_path() + ".shard-00001.bad"));
  ASSERT_OK(QuarantineTargetShard(artifacts_, digest(), 1)) << "a second call changes nothing";
  ASSERT_OK(Compute(store, 1, "b", /*wrong=*/true)->Seal(store.identity()));
  ASSERT_OK(QuarantineTargetShard(artifacts_, digest(), 1)) << "the shard that was set aside before is replaced";
  SealAll(store);
  ASSERT_OK(store.Commit({}));
}

TEST_F(TargetStoreRaceTest, AnArtifactWithADisputedShardIsUnderConstructionAgain) {
  const TargetStore store = Open();
  SealAll(store);
  ASSERT_OK(store.Commit({}));
  ASSERT_OK(QuarantineTargetShard(artifacts_, digest(), 1));
  EXPECT_FALSE(artifacts_.Has("targets", digest()));
  EXPECT_TRUE(store.SealedDigest(0).ok());
  EXPECT_EQ(store.SealedDigest(1).status().code(), Code::kNotFound);
  ASSERT_OK(Compute(store, 1, "b")->Seal(store.identity()));
  ASSERT_OK(store.Commit({}));
  ASSERT_OK_AND_ASSIGN(const auto set, TargetSet::Open(store.final_path()));
  EXPECT_OK(set->Verify());
}

TEST_F(TargetStoreRaceTest, TemporariesOfALostHostAreNotInTheArtifact) {
  const TargetStore store = Open();
  SealAll(store);
  const std::string name = "manifest.json.tmp-elsewhere-12";
  ASSERT_OK(WriteFileAtomically(JoinPath(store.final_path() + ".building", name), "half"));
  ASSERT_OK(store.Commit({}));
  EXPECT_FALSE(Exists(JoinPath(store.final_path(), name)));
}

// Two ranks are told to commit when the first one is taken for dead.
TEST_F(TargetStoreRaceTest, TwoCommitsAtOnceMakeOneArtifact) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK(RemoveAll(directory_ / "targets"));
    const TargetStore store = Open();
    SealAll(store);
    const pid_t child = fork();
    if (child == 0) _exit(store.Commit({}).ok() ? 0 : 1);
    EXPECT_OK(store.Commit({}));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_THAT(Entries(), ElementsAre(digest()));
    ASSERT_OK_AND_ASSIGN(const auto set, TargetSet::Open(store.final_path()));
    EXPECT_EQ(set->shards(), kShards);
  }
}

}  // namespace
}  // namespace still::shards
