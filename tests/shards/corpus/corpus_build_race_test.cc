// Several processes build one corpus: they do the same task, die during it, get different results, and commit at once.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "common/faults/fault_point.h"
#include "common/host_name.h"
#include "tests/shards/corpus/corpus_build_fixture.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

class CorpusBuildRaceTest : public CorpusBuildFixture {
 protected:
  // Runs `action` in a child process. Wait() returns its status as waitpid does.
  template <typename Action>
  static pid_t Fork(const Action& action) {
    const pid_t child = fork();
    if (child == 0) _exit(action() ? 0 : 1);
    return child;
  }
  static int Wait(pid_t child) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }
  std::vector<std::string> Entries() const { return ListDirectory(Artifacts("a").root() + "/corpus").value(); }
  // Returns the name of the only building directory, or "" when there is none.
  std::string Building() const {
    std::string building;
    for (const std::string& name : Entries()) {
      if (!name.ends_with(".building")) continue;
      EXPECT_TRUE(building.empty()) << building << ", " << name;
      building = name;
    }
    return building;
  }
  std::string digest() const { return inputs_.identity.Digest(); }

  // Changes a word of a book but not its size, as a process with broken memory might have read it.
  void SpoilBook(int number) {
    const std::string name = "books/" + std::to_string(number) + ".txt";
    std::string text = *ReadFile(directory_ + "/" + name);
    const std::string good = text;
    text.replace(text.rfind("one"), 3, "two");
    Write(name, text);
    spoiled_[name] = good;
  }
  void MendBooks() {
    for (const auto& [name, text] : spoiled_) Write(name, text);
  }
  // Returns the task that reads book 111.
  static std::uint32_t LastSplit(const CorpusBuild& build) { return *build.Tasks(CorpusPass::kTokenise) - 1; }

  std::map<std::string, std::string> spoiled_;
};

TEST_F(CorpusBuildRaceTest, TheSecondExecutionOfATaskGivesTheResultOfTheFirst) {
  CorpusBuild build = Open("a");
  CorpusBuild other = Open("a");
  for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
    ASSERT_OK(MakeAll(build, pass));
    for (std::uint32_t task = 0; task < *build.Tasks(pass); ++task) {
      ASSERT_OK_AND_ASSIGN(const std::string second, Make(other, pass, task));
      EXPECT_EQ(second, *build.MadeDigest(pass, task));
    }
  }
  ASSERT_OK(build.Commit({}));
  EXPECT_EQ(Bytes("a"), Expected());
  // A late process finds the shards, and nothing to make others from.
  EXPECT_EQ(*other.MadeDigest(CorpusPass::kCopy, 0), *build.MadeDigest(CorpusPass::kCopy, 0));
  EXPECT_THAT(other.MadeDigest(CorpusPass::kTokenise, 0), StatusIs(Code::kNotFound));
  for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
    EXPECT_THAT(Make(other, pass, 0), StatusIs(Code::kAlreadyExists));
  }
  EXPECT_THAT(Entries(), ElementsAre(digest()));
}

TEST_F(CorpusBuildRaceTest, ProcessesThatBuildACorpusAtOnceMakeOne) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_OK(RemoveAll(Artifacts("a").root()));
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(Fork([&] {
        CorpusBuild build = Open("a");
        return MakeAll(build).ok() || build.Committed();
      }));
    }
    for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
    EXPECT_EQ(Bytes("a"), Expected());
    CorpusBuild afterwards = Open("a");
    EXPECT_THAT(Entries(), ElementsAre(digest()));
  }
}

TEST_F(CorpusBuildRaceTest, ASecondExecutionThatDiffersIsDataLossAndNamesBothDigests) {
  CorpusBuild build = Open("a");
  const std::uint32_t split = LastSplit(build);
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  const std::string standing = *build.MadeDigest(CorpusPass::kTokenise, split);
  SpoilBook(111);
  std::string computed;
  const auto made = build.Make(
      CorpusPass::kTokenise, split, [](const CorpusProgress&) { return Ok(); }, &computed);
  EXPECT_THAT(made, StatusIs(Code::kDataLoss, AllOf(HasSubstr(standing), HasSubstr("computed here as " + computed))));
  EXPECT_NE(computed, standing);
  EXPECT_EQ(*build.MadeDigest(CorpusPass::kTokenise, split), standing) << "the first one stays";
}

TEST_F(CorpusBuildRaceTest, ADisputedSplitIsMadeAnewWithAllThatDependsOnIt) {
  CorpusBuild build = Open("a");
  const std::uint32_t split = LastSplit(build);
  SpoilBook(111);
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  ASSERT_OK(MakeAll(build, CorpusPass::kCopy));
  MendBooks();
  ASSERT_OK(build.Quarantine(CorpusPass::kTokenise, split));
  ASSERT_OK(build.Quarantine(CorpusPass::kTokenise, split)) << "a second call changes nothing";
  EXPECT_THAT(Entries(), Contains(digest() + ".split-00" + std::to_string(1000 + split).substr(1) + ".bad"));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kTokenise, split), StatusIs(Code::kNotFound));
  EXPECT_OK(build.MadeDigest(CorpusPass::kTokenise, 0));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kPlan, 0), StatusIs(Code::kNotFound));
  EXPECT_THAT(build.Tasks(CorpusPass::kCopy), StatusIs(Code::kNotFound));
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
}

TEST_F(CorpusBuildRaceTest, AShardCopiedByAnOldPlanIsInNoArtifact) {
  CorpusBuild slow = Open("a");
  SpoilBook(111);
  ASSERT_OK(MakeAll(slow, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(slow, CorpusPass::kPlan));
  ASSERT_OK(MakeAll(slow, CorpusPass::kCopy));
  CorpusBuild build = Open("a");
  const std::string old_building = Building();
  std::map<std::string, std::string> old;
  for (const std::string& path : *ListFilesRecursively(Artifacts("a").root() + "/corpus/" + old_building)) {
    old[path] = *ReadFile(path);
  }
  MendBooks();
  ASSERT_OK(build.Quarantine(CorpusPass::kTokenise, LastSplit(build)));
  EXPECT_EQ(Building(), "");
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  // A rank that still has the old plan writes its shards again.
  for (const auto& [path, bytes] : old) Write(path.substr(directory_.size() + 1), bytes);
  EXPECT_THAT(build.MadeDigest(CorpusPass::kCopy, 0), StatusIs(Code::kNotFound)) << "of another plan";
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
  EXPECT_EQ(Building(), "") << "the commit removes it";
}

TEST_F(CorpusBuildRaceTest, AShardSetAsideDuringTheCommitIsNotInTheArtifact) {
  CorpusBuild build = Open("a");
  for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
    ASSERT_OK(MakeAll(build, pass));
  }
  // The commit waits after it has checked the shards.
  const pid_t committer =
      Fork([&] { return ArmFaults("*:*:corpus.commit:delay1000").ok() && build.Commit({}).code() == Code::kNotFound; });
  const std::string summary = Artifacts("a").root() + "/corpus/" + Building() + "/summary.json";
  while (!Exists(summary)) usleep(1000);
  ASSERT_OK(build.Quarantine(CorpusPass::kCopy, 1));
  EXPECT_EQ(Wait(committer), 0);
  EXPECT_FALSE(build.Committed());
  EXPECT_OK(build.MadeDigest(CorpusPass::kCopy, 0)) << "under construction again";
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
}

TEST_F(CorpusBuildRaceTest, ADisputedPlanOrShardIsMadeAnew) {
  CorpusBuild build = Open("a");
  ASSERT_OK(MakeAll(build, CorpusPass::kTokenise));
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  ASSERT_OK(MakeAll(build, CorpusPass::kCopy));
  ASSERT_OK(build.Quarantine(CorpusPass::kCopy, 1));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kCopy, 1), StatusIs(Code::kNotFound));
  EXPECT_OK(build.MadeDigest(CorpusPass::kCopy, 0));
  ASSERT_OK(build.Quarantine(CorpusPass::kPlan, 0));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kPlan, 0), StatusIs(Code::kNotFound));
  ASSERT_OK(build.Quarantine(CorpusPass::kCopy, 0)) << "not there any more";
  ASSERT_OK(MakeAll(build, CorpusPass::kPlan));
  EXPECT_THAT(build.MadeDigest(CorpusPass::kCopy, 0), StatusIs(Code::kNotFound));
  ASSERT_OK(MakeAll(build));
  EXPECT_EQ(Bytes("a"), Expected());
}

TEST_F(CorpusBuildRaceTest, AnArtifactWithADisputedResultIsUnderConstructionAgain) {
  for (const CorpusPass pass : {CorpusPass::kCopy, CorpusPass::kPlan, CorpusPass::kTokenise}) {
    ASSERT_OK(RemoveAll(Artifacts("a").root()));
    CorpusBuild build = Open("a");
    ASSERT_OK(MakeAll(build));
    ASSERT_OK(build.Quarantine(pass, 0));
    EXPECT_FALSE(build.Committed());
    EXPECT_THAT(build.MadeDigest(CorpusPass::kTokenise, 0), StatusIs(Code::kNotFound));
    ASSERT_OK(build.Quarantine(pass, 0)) << "a second call changes nothing";
    ASSERT_OK(MakeAll(build));
    EXPECT_TRUE(build.Committed());
    EXPECT_EQ(Bytes("a"), Expected());
  }
}

TEST_F(CorpusBuildRaceTest, AKilledBuildResumesAndMakesNothingTwice) {
  ASSERT_FALSE(Expected().empty());
  for (const char* fault :
       {"*:1:corpus.split:kill", "*:4:corpus.split:kill", "*:1:corpus.plan:kill", "*:1:corpus.shard.commit:kill",
        "*:2:corpus.shard.commit:kill", "*:1:corpus.shard:kill", "*:3:corpus.shard:kill", "*:1:corpus.commit:kill",
        "*:2:write:kill", "*:3:rename:kill", "*:12:rename:kill", "*:20:rename:kill"}) {
    ASSERT_OK(RemoveAll(Artifacts("a").root()));
    const int status = Wait(Fork([&] {
      CorpusBuild build = Open("a");
      return ArmFaults(fault).ok() && MakeAll(build).ok();
    }));
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << fault;
    EXPECT_FALSE(Exists(CorpusPath("a"))) << fault;
    std::map<std::string, std::filesystem::file_time_type> made;
    for (const std::string& name : Entries()) {
      if (!name.ends_with(".splits") && !name.ends_with(".building")) continue;
      for (const std::string& path : *ListFilesRecursively(Artifacts("a").root() + "/corpus/" + name)) {
        made[path] = std::filesystem::last_write_time(path);
      }
    }
    CorpusBuild build = Open("a");
    for (const std::string& name : Entries()) EXPECT_THAT(name, Not(HasSubstr(".tmp-"))) << fault;
    for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
      ASSERT_OK(MakeAll(build, pass)) << fault;
    }
    for (const auto& [path, time] : made) EXPECT_EQ(std::filesystem::last_write_time(path), time) << fault << path;
    ASSERT_OK(build.Commit({})) << fault;
    EXPECT_EQ(Bytes("a"), Expected()) << fault;
    EXPECT_THAT(Entries(), ElementsAre(digest())) << fault;
  }
}

TEST_F(CorpusBuildRaceTest, AnErrorAtAFaultPointIsReturned) {
  for (const char* point : {"corpus.split", "corpus.plan", "corpus.shard.commit", "corpus.shard", "corpus.commit"}) {
    ASSERT_OK(RemoveAll(Artifacts("a").root()));
    EXPECT_EQ(Wait(Fork([&] {
                CorpusBuild build = Open("a");
                return ArmFaults(std::string("*:1:") + point + ":error").ok() &&
                       MakeAll(build).code() == Code::kInternal;
              })),
              0)
        << point;
  }
}

TEST_F(CorpusBuildRaceTest, OpenRemovesLeftoversOfDeadProcessesOfThisHostOnly) {
  const pid_t dead = Fork([] { return true; });
  EXPECT_EQ(Wait(dead), 0);
  const auto leave = [&](const std::string& name) { Write("a/corpus/" + digest() + name, "half"); };
  leave(fmt::format(".split-00000.tmp-{}-{}", HostName(), dead));
  leave(fmt::format(".split-00000.tmp-{}-{}", HostName(), getpid()));
  leave(fmt::format(".split-00000.tmp-elsewhere-{}", dead));
  leave(fmt::format(".0123456789abcdef.building/manifest.json.tmp-{}-{}", HostName(), dead));
  CorpusBuild build = Open("a");
  EXPECT_THAT(Entries(),
              ::testing::UnorderedElementsAre(digest() + ".0123456789abcdef.building", digest() + ".splits",
                                              fmt::format("{}.split-00000.tmp-{}-{}", digest(), HostName(), getpid()),
                                              fmt::format("{}.split-00000.tmp-elsewhere-{}", digest(), dead)));
  EXPECT_THAT(*ListDirectory(CorpusPath("a") + ".0123456789abcdef.building"), ElementsAre());
}

TEST_F(CorpusBuildRaceTest, OpenRemovesLeftoverSplitsWhenTheArtifactStands) {
  CorpusBuild build = Open("a");
  ASSERT_OK(MakeAll(build));
  Write("a/corpus/" + digest() + ".splits/split-00003", "of a process that was killed before it had removed all");
  ASSERT_OK(MakeDirectories(CorpusPath("a") + ".0123456789abcdef.building"));
  CorpusBuild again = Open("a");
  EXPECT_TRUE(again.Committed());
  EXPECT_THAT(Entries(), ElementsAre(digest()));
  EXPECT_EQ(*again.Tasks(CorpusPass::kCopy), *build.Tasks(CorpusPass::kCopy));
  EXPECT_OK(again.MadeDigest(CorpusPass::kCopy, 0));
}

TEST_F(CorpusBuildRaceTest, TemporariesOfALostHostAreNotInTheArtifact) {
  CorpusBuild build = Open("a");
  for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
    ASSERT_OK(MakeAll(build, pass));
  }
  Write("a/corpus/" + Building() + "/summary.json.tmp-elsewhere-12", "half");
  ASSERT_OK(build.Commit({}));
  EXPECT_EQ(Bytes("a"), Expected());
}

// Two ranks are told to commit when the first one is taken for dead.
TEST_F(CorpusBuildRaceTest, TwoCommitsAtOnceMakeOneArtifact) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_OK(RemoveAll(Artifacts("a").root()));
    CorpusBuild build = Open("a");
    for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
      ASSERT_OK(MakeAll(build, pass));
    }
    const pid_t child = Fork([&] { return build.Commit({}).ok(); });
    EXPECT_OK(build.Commit({}));
    EXPECT_EQ(Wait(child), 0);
    CorpusBuild afterwards = Open("a");
    EXPECT_THAT(Entries(), ElementsAre(digest()));
    EXPECT_EQ(Bytes("a"), Expected());
  }
}

}  // namespace
}  // namespace still::shards
