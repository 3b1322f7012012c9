// Runs the binary as people and scripts do and checks exit codes, streams and messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/digest.h"
#include "common/storage/checkpoint.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/cli/complete_pipeline.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ProcessResult;
using ::testing::StartsWith;

class CliTest : public ::testing::Test {
 protected:
  static ProcessResult Still(std::vector<std::string> arguments,
                             const std::map<std::string, std::string>& environment = {}) {
    arguments.insert(arguments.begin(), STILL_BINARY);
    return testing::Run(arguments, environment);
  }
  std::string Pipeline(const std::string& yaml) {
    EXPECT_OK(WriteFileAtomically(directory_ / "pipeline.yaml", yaml));
    return directory_ / "pipeline.yaml";
  }
  std::string CompletePipeline() { return testing::CompletePipeline(directory_, ""); }

  testing::TempDirectory directory_;
};

TEST_F(CliTest, HelpAndVersionGoToStdoutAndSucceed) {
  for (const char* argument : {"--help", "--version", "version"}) {
    const ProcessResult result = Still({argument});
    EXPECT_EQ(result.exit_code, 0) << argument;
    EXPECT_THAT(result.out, HasSubstr("still")) << argument;
    EXPECT_EQ(result.err, "") << argument;
  }
  EXPECT_THAT(Still({"queue", "--help"}).out, Not(HasSubstr("exit codes"))) << "only still --help ends with them";
  EXPECT_THAT(Still({"run", "--help"}).out, AllOf(HasSubstr("corpus, teacher, targets, train, evaluate, export"),
                                                  HasSubstr("<rank>:<step>:[<stage>.]<point>:<kind>"),
                                                  HasSubstr("kill, stop, delay<ms>, error, enospc, torn, nan, flip")));
}

TEST_F(CliTest, WrongUsageIsExitCodeTwoAndOneLineOnStderr) {
  struct Wrong {
    std::vector<std::string> arguments;
    std::string named;
  };
  const std::vector<Wrong> wrong = {
      {{"frobnicate"}, "'still frobnicate'"},
      {{"bogus"}, "`still --help`"},
      {{"quue"}, "'still queue'"},
      {{"que"}, "'still queue'"},
      {{"checkpoint", "lst"}, "'still checkpoint list'"},
      {{"run"}, "PIPELINE.yaml is required (`still run --help`"},
      {{"run", "a.yaml", "--rank", "2"}, "did you mean '--ranks'?"},
      {{"run", "a.yaml", "--utnil=train"}, "did you mean '--until'?"},
      {{"run", "a.yaml", "--frobnicate"}, "--frobnicate (`still run --help`"},
      {{"run", "a.yaml", "--ranks", "two"}, "--ranks: 'two' is not a whole number from 1 to 4096"},
      {{"run", "a.yaml", "--ranks", "0"}, "from 1 to 4096"},
      {{"corpus"}, "`still corpus --help`"},
      {{"corpus", "cat", "x", "--first", "-1"}, "--first: '-1' is not a whole number, 0 or more"},
      {{"run", "x", "--ranks", "4294967296"}, "from 1 to 4096"},
      {{"checkpoint"}, "checkpoint"},
      {{"checkpoint", "hash"}, "PATH is required"},
      {{"checkpoint", "list", "a", "b"}, "b"},
      {{"run", CompletePipeline(), "--check", "--until", "frob"}, "frob"},
      {{"run", CompletePipeline(), "--check", "--ranks", "0"}, "ranks"}};
  for (const auto& [arguments, named] : wrong) {
    const ProcessResult result = Still(arguments);
    EXPECT_EQ(result.exit_code, 2) << named;
    EXPECT_THAT(result.err, AllOf(StartsWith("still: error: "), HasSubstr(named)));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(Still({}).exit_code, 2);
}

TEST_F(CliTest, UnknownKeyIsAConfigurationErrorWithItsPlace) {
  const ProcessResult result = Still({"run", Pipeline("name: x\nrankz: 2\n")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, StartsWith("still: error: " + (directory_ / "pipeline.yaml") + ":2:1:"));
  EXPECT_THAT(result.err, HasSubstr("ranks"));
}

TEST_F(CliTest, APathThatIsNotThereIsExitCodeThree) {
  const ProcessResult mistyped = Still({"run", "/nowhere/pipeline.yaml"});
  EXPECT_EQ(mistyped.exit_code, 3);
  EXPECT_THAT(mistyped.err, StartsWith("still: error: cannot open /nowhere/pipeline.yaml: "));
  const ProcessResult result = Still({"run", Pipeline("teacher: {path: nowhere}\ncorpus: {books: [book.txt]}\n")});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("no teacher.path " + (directory_ / "nowhere")),
                                HasSubstr("no corpus.books " + (directory_ / "book.txt")), Not(HasSubstr("demo"))));
  const ProcessResult demo = Still({"run", Pipeline("teacher: {path: out/data/teacher}\ncorpus: {books: [a.txt]}\n")});
  EXPECT_EQ(demo.exit_code, 3);
  EXPECT_THAT(demo.err, HasSubstr("scripts/fetch_demo_data.sh"));
  const ProcessResult stat = Still({"corpus", "stat", directory_ / "nothing"});
  EXPECT_EQ(stat.exit_code, 3);
  EXPECT_THAT(stat.err, AllOf(HasSubstr(directory_ / "nothing"), HasSubstr("out/artifacts/corpus/")));
}

TEST_F(CliTest, CheckPrintsPlanAndEffectiveConfigurationAndMakesNothing) {
  const ProcessResult result = Still({"run", CompletePipeline(), "--check"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* stage : {"corpus", "teacher", "targets", "train", "evaluate", "export"}) {
    EXPECT_THAT(result.out, HasSubstr(stage));
  }
  EXPECT_THAT(result.out, HasSubstr("build"));
  EXPECT_THAT(result.out, Not(HasSubstr("reuse")));
  EXPECT_THAT(result.out, HasSubstr("sequences_per_step: 4096"));
  EXPECT_FALSE(Exists(directory_ / "artifacts"));
}

TEST_F(CliTest, CheckWarnsWhenTheRanksWantMoreCoresThanThisMachineHas) {
  const ProcessResult wide = Still({"run", CompletePipeline(), "--check", "--ranks", "4000"});
  EXPECT_EQ(wide.exit_code, 0) << "still run starts them all the same";
  EXPECT_THAT(wide.err, StartsWith("still: warning: 4000 ranks"));
  EXPECT_EQ(Still({"run", CompletePipeline(), "--check", "--ranks", "1"}).err, "");
}

TEST_F(CliTest, CheckAsJsonIsOneObjectAndRanksDoNotChangeDigests) {
  const std::string pipeline = CompletePipeline();
  const ProcessResult one = Still({"run", pipeline, "--check", "--json"});
  const ProcessResult three = Still({"run", pipeline, "--check", "--json", "--ranks", "3"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const auto plan = nlohmann::json::parse(one.out);
  EXPECT_EQ(plan["plan"].size(), 6u);
  EXPECT_EQ(plan["plan"][0]["stage"], "corpus");
  EXPECT_EQ(plan["plan"][0]["action"], "build");
  EXPECT_EQ(plan["config"]["student"]["layers"], 2);
  EXPECT_EQ(plan["plan"], nlohmann::json::parse(three.out)["plan"]);
  EXPECT_EQ(nlohmann::json::parse(three.out)["config"]["ranks"], 3);
}

TEST_F(CliTest, AWrongFaultIsRefusedBeforeAnythingHappens) {
  const std::string pipeline = CompletePipeline();
  // Each wrong specification, and what the message names.
  const std::pair<const char*, const char*> wrong[] = {{"vote:kill", "<rank>:<step>"},
                                                       {"1:2:vote:explode", "<rank>:<step>"},
                                                       {"1:2:vote:kill,2:2:vote:kill", "<rank>:<step>"},
                                                       {"", "<rank>:<step>"},
                                                       {"1:2:votes:kill", "'vote'"},
                                                       {"1:2:train.comptue:kill", "'train.compute'"},
                                                       {"1:2:vote:torn", "write"},
                                                       {"1:2:frobnicate:nan", "compute"}};
  for (const auto& [fault, named] : wrong) {
    const ProcessResult result = Still({"run", pipeline, "--check", "--fault", "0:1:vote:stop", "--fault", fault});
    EXPECT_EQ(result.exit_code, 2) << fault;
    EXPECT_THAT(result.err, AllOf(StartsWith("still: error: --fault"), HasSubstr(named))) << fault;
    EXPECT_EQ(result.out, "");
  }
  const ProcessResult good =
      Still({"run", "--fault", "0:1:vote:stop", "--fault", "*:*:train.compute:delay5@2", pipeline, "--check"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
}

const std::map<std::string, std::string> kNothingToLaunch = {{"STILL_WORKER", "/bin/true"},
                                                             {"STILL_MPIRUN", "/bin/true"}};

TEST_F(CliTest, AFaultStrikesTheProcessItselfToo) {
  const ProcessResult killed =
      Still({"run", CompletePipeline(), "--fault", "7:1:write:kill", "--fault", "*:1:write:kill"}, kNothingToLaunch);
  EXPECT_EQ(killed.signal, SIGKILL) << killed.out << killed.err;
}

// Writes two checkpoints of a job, and a third one without its manifest.
class CheckpointCliTest : public CliTest {
 protected:
  void SetUp() override {
    Write(100, 1);
    Write(200, 3);
    Write(300, 4);
    std::filesystem::remove(Path(300, 4) + "/manifest.json");
  }
  std::string Job() const { return directory_ / "checkpoints/0123abcd"; }
  std::string Path(std::uint64_t step, std::uint64_t generation) const {
    return CheckpointPath(Job(), step, generation);
  }
  void Write(std::uint64_t step, std::uint64_t generation) {
    const std::vector<float> values(1000, static_cast<float>(step));
    const std::string path = Path(step, generation);
    EXPECT_OK(MakeDirectories(path));
    const std::string file = JoinPath(path, PartFile(0));
    EXPECT_OK(WriteSafetensors(file, {{"w", "F32", {1000}, std::as_bytes(std::span(values))}}, {}));
    const auto manifest =
        testing::ManifestOf(testing::InfoOf(step, generation),
                            {testing::PartOf(0, FileSize(file).value(), Hex(Sha256OfFile(file).value()))});
    EXPECT_OK(WriteFileAtomically(JoinPath(path, kManifestFile), ManifestJson(manifest)));
  }
};

TEST_F(CheckpointCliTest, ListShowsStepGenerationSizeAndManifestNewestFirst) {
  const ProcessResult result = Still({"checkpoint", "list", Job()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("300 +4 +0.0 MB +no +step-00000300.g4\n"
                                        " +200 +3 +0.0 MB +yes +step-00000200.g3\n"
                                        " +100 +1 +0.0 MB +yes +step-00000100.g1\n"));
  const ProcessResult json = Still({"checkpoint", "list", Job(), "--json"});
  const auto list = nlohmann::json::parse(json.out)["checkpoints"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[1]["step"], 200);
  EXPECT_EQ(list[1]["generation"], 3);
  EXPECT_GT(list[1]["bytes"], 4000);
  EXPECT_EQ(list[1]["manifest"], "yes");
  EXPECT_EQ(list[1]["path"], Path(200, 3));
}

TEST_F(CheckpointCliTest, HashIsAloneOnItsLineAndTakesTheNewestCheckpointWithAManifest) {
  const ProcessResult one = Still({"checkpoint", "hash", Path(200, 3) + "/"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(one.out, CheckpointHash(Path(200, 3)).value() + "\n");
  EXPECT_EQ(one.err, "");
  const ProcessResult newest = Still({"checkpoint", "hash", Job()});
  EXPECT_EQ(newest.out, one.out);
  EXPECT_THAT(newest.err, HasSubstr(Path(200, 3)));
  EXPECT_NE(Still({"checkpoint", "hash", Path(100, 1)}).out, one.out);
}

TEST_F(CheckpointCliTest, VerifyReadsEveryByteAndDamageIsExitCodeThree) {
  const ProcessResult intact = Still({"checkpoint", "verify", Job()});
  EXPECT_EQ(intact.exit_code, 0) << intact.err;
  EXPECT_THAT(intact.out, HasSubstr("step 200, generation 3"));
  const std::string part = JoinPath(Path(200, 3), PartFile(0));
  auto bytes = ReadFile(part).value();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  ASSERT_OK(WriteFileAtomically(part, bytes));
  const ProcessResult flipped = Still({"checkpoint", "verify", Path(200, 3)});
  EXPECT_EQ(flipped.exit_code, 3);
  EXPECT_THAT(flipped.err, HasSubstr(part));
  std::filesystem::resize_file(part, 100);
  for (const char* verb : {"verify", "hash"}) {
    const ProcessResult torn = Still({"checkpoint", verb, Path(200, 3)});
    EXPECT_EQ(torn.exit_code, 3) << verb;
    EXPECT_THAT(torn.err, HasSubstr(part)) << verb;
    std::filesystem::resize_file(JoinPath(Path(100, 1), kManifestFile), 20);
    EXPECT_EQ(Still({"checkpoint", verb, Path(100, 1)}).exit_code, 3) << verb;
    const ProcessResult unpublished = Still({"checkpoint", verb, Path(300, 4)});
    EXPECT_EQ(unpublished.exit_code, 3) << verb;
    EXPECT_THAT(unpublished.err, HasSubstr("manifest.json")) << verb;
  }
  EXPECT_THAT(Still({"checkpoint", "list", Job()}).out, ContainsRegex("damaged +step-00000100.g1"));
  EXPECT_EQ(Still({"checkpoint", "verify", JoinPath(Job(), "step-00000100.g1/part-00000.safetensors")}).exit_code, 2);
}

TEST_F(CheckpointCliTest, APathWithoutACheckpointIsAnErrorThatSaysWhatToName) {
  ASSERT_OK(MakeDirectories(directory_ / "empty"));
  for (const std::string& path : {directory_ / "nowhere", directory_ / "empty", Path(100, 1) + "/manifest.json"}) {
    for (const char* verb : {"list", "verify", "hash"}) {
      const ProcessResult result = Still({"checkpoint", verb, path});
      EXPECT_EQ(result.exit_code, path == directory_ / "nowhere" ? 3 : 2) << verb << " " << path;
      EXPECT_THAT(result.err, AllOf(HasSubstr(path), HasSubstr("<artifacts>/checkpoints/<digest>"))) << verb;
      EXPECT_EQ(result.out, "");
    }
  }
  EXPECT_EQ(Still({"checkpoint", "list", Path(100, 1)}).exit_code, 2);
}

TEST_F(CliTest, KeysAreMadeOnceWhereTheCoordinatorLooks) {
  const std::map<std::string, std::string> state = {{"STILL_STATE", directory_ / "state"}};
  const ProcessResult made = Still({"keys", "new"}, state);
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr(directory_ / "state/keys"));
  EXPECT_TRUE(Exists(directory_ / "state/keys/server.secret"));
  const std::string secret = ReadFile(directory_ / "state/keys/server.secret").value();
  EXPECT_NE(Still({"keys", "new"}, state).exit_code, 0);
  EXPECT_EQ(ReadFile(directory_ / "state/keys/server.secret").value(), secret) << "existing keys are never replaced";
  EXPECT_EQ(Still({"keys", "new", "--directory", directory_ / "other"}).exit_code, 0);
}

}  // namespace
}  // namespace still
