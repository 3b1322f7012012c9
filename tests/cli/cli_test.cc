// The binary as people and scripts meet it: exit codes, streams, messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "common/safetensors.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ProcessResult;
using ::testing::StartsWith;

class CliTest : public ::testing::Test {
 protected:
  static ProcessResult Still(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), STILL_BINARY);
    return testing::Run(arguments);
  }
  std::string Pipeline(const std::string& yaml) {
    EXPECT_OK(WriteFileAtomically(directory_ / "pipeline.yaml", yaml));
    return directory_ / "pipeline.yaml";
  }
  // Inputs that a plan can be made of.
  std::string CompletePipeline() {
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (char c = 'a'; c <= 'z'; ++c) vocabulary += fmt::format("{}\n##{}\n", c, c);
    EXPECT_OK(MakeDirectories(directory_ / "teacher"));
    EXPECT_OK(WriteFileAtomically(directory_ / "teacher/vocab.txt", vocabulary));
    EXPECT_OK(WriteFileAtomically(directory_ / "teacher/config.json",
                                  R"({"model_type": "bert", "num_hidden_layers": 4, "max_position_embeddings": 128,
 "vocab_size": 57})"));
    const float value = 0;
    EXPECT_OK(WriteSafetensors(directory_ / "teacher/model.safetensors",
                               {{"x", "F32", {1}, std::as_bytes(std::span(&value, 1))}}, {}));
    EXPECT_OK(WriteFileAtomically(directory_ / "book.txt", "it was a dark and stormy night\n"));
    return Pipeline("name: tiny\nteacher: {path: teacher}\ncorpus: {books: [book.txt]}\n");
  }

  testing::TempDirectory directory_;
};

TEST_F(CliTest, HelpAndVersionGoToStdoutAndSucceed) {
  for (const char* argument : {"--help", "--version", "version"}) {
    const ProcessResult result = Still({argument});
    EXPECT_EQ(result.exit_code, 0) << argument;
    EXPECT_THAT(result.out, HasSubstr("still")) << argument;
    EXPECT_EQ(result.err, "") << argument;
  }
  EXPECT_THAT(Still({"--help"}).out, HasSubstr("0 done, 2 usage"));
}

TEST_F(CliTest, WrongUsageIsExitCodeTwoAndOneLineOnStderr) {
  const std::vector<std::vector<std::string>> wrong = {
      {"frobnicate"}, {"run"}, {"run", "a.yaml", "--rank", "2"}, {"run", "a.yaml", "--ranks", "two"}, {"corpus"}};
  for (const auto& arguments : wrong) {
    const ProcessResult result = Still(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments[0];
    EXPECT_THAT(result.err, StartsWith("still: error: "));
    EXPECT_EQ(result.out, "");
  }
  EXPECT_THAT(Still({"frobnicate"}).err, HasSubstr("frobnicate"));
  EXPECT_EQ(Still({}).exit_code, 2);
}

TEST_F(CliTest, UnknownKeyIsAConfigurationErrorWithItsPlace) {
  const ProcessResult result = Still({"run", Pipeline("name: x\nrankz: 2\n")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, StartsWith("still: error: " + (directory_ / "pipeline.yaml") + ":2:1:"));
  EXPECT_THAT(result.err, HasSubstr("ranks"));
}

TEST_F(CliTest, RanksOutOfRangeAreRefusedLikeInTheFile) {
  const ProcessResult result = Still({"run", CompletePipeline(), "--check", "--ranks", "0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("ranks"));
}

TEST_F(CliTest, MissingConfigurationIsAUsageErrorMissingInputsAreNot) {
  const ProcessResult mistyped = Still({"run", "/nowhere/pipeline.yaml"});
  EXPECT_EQ(mistyped.exit_code, 2);
  EXPECT_THAT(mistyped.err, HasSubstr("/nowhere/pipeline.yaml"));
  const ProcessResult result = Still({"run", Pipeline("teacher: {path: nowhere}\ncorpus: {books: [book.txt]}\n")});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr(directory_ / "nowhere"));
  const ProcessResult stat = Still({"corpus", "stat", directory_ / "nothing"});
  EXPECT_EQ(stat.exit_code, 2);
  EXPECT_THAT(stat.err, HasSubstr("nothing is not a corpus artifact"));
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

}  // namespace
}  // namespace still
