// Feeds bad input. The run ends with one error that names the file, the place and what to do. It exits 3, or 2 for a
// bad configuration, and leaves nothing under a final name. Once the cause is gone the same command succeeds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "common/storage/files.h"
#include "tests/testing/temp_directory.h"
#include "tests/testing/tiny_pipeline.h"

namespace {

namespace fs = std::filesystem;
using still::testing::ProcessResult;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;

struct BadInput {
  const char* name;
  int exit_code;
  std::vector<std::string> expected;  // fragments of the message
  std::function<void(TinyPipeline&, const std::string& directory)> spoil;
};

void Put(const std::string& path, const std::string& contents) { std::ofstream(path, std::ios::binary) << contents; }

std::string Get(const std::string& path) {
  const auto contents = still::ReadFile(path);
  EXPECT_TRUE(contents.ok()) << contents.status().ToString();
  return contents.ok() ? *contents : "";
}

void EditFile(const std::string& path, const std::string& from, const std::string& to) {
  std::string text = Get(path);
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  Put(path, text.replace(at, from.size(), to));
}

const std::vector<BadInput>& Cases() {
  static const std::vector<BadInput> cases = {
      {"TruncatedDump",
       3,
       {"dump.xml.bz2", "byte"},
       [](TinyPipeline& p, const std::string& dir) {
         const std::string dump = dir + "/dump.xml.bz2";
         Put(dump, Get(still::testing::DemoData() + "/wikipedia.xml.bz2").substr(0, 700000));
         p.Set("corpus.wikipedia", "[" + dump + "]");
       }},
      {"VocabularyWithDuplicate",
       3,
       {"vocab.txt", "the", "line"},
       [](TinyPipeline& p, const std::string&) { EditFile(p.teacher() + "/vocab.txt", "\nof\n", "\nthe\n"); }},
      {"TensorMissing",
       3,
       {"model.safetensors", "encoder.layer.1.output.dense.bias"},
       [](TinyPipeline& p, const std::string&) {
         EditFile(p.teacher() + "/model.safetensors", "encoder.layer.1.output.dense.bias",
                  "encoder.layer.1.output.dense.bios");
       }},
      {"UnknownKey",
       2,
       {"tiny.yaml:", "epoch", "epochs"},
       [](TinyPipeline& p, const std::string&) { p.Set("train.epoch", "3"); }},
      {"MissingBook",
       3,
       {"nowhere.txt"},
       [](TinyPipeline& p, const std::string& dir) { p.Set("corpus.books", "[" + dir + "/nowhere.txt]"); }},
      {"ArtifactsUnderAFile",
       3,
       {"artifacts"},
       [](TinyPipeline& p, const std::string&) { Put(p.artifacts(), "not a directory"); }},
  };
  return cases;
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsOneClearErrorAndNothingPartialStands) {
  if (still::testing::DemoData().empty()) GTEST_SKIP() << "no demo data: run scripts/fetch_demo_data.sh";
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  GetParam().spoil(pipeline, directory.path());
  const ProcessResult result = pipeline.Run();
  EXPECT_EQ(result.exit_code, GetParam().exit_code) << result.out << result.err;
  for (const std::string& fragment : GetParam().expected) {
    EXPECT_NE(result.err.find(fragment), std::string::npos) << "no '" << fragment << "' in: " << result.err;
  }
  const std::string marker = "still: error:";
  const std::size_t first = result.err.find(marker);
  EXPECT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(marker, first + 1), std::string::npos) << "more than one error: " << result.err;
  EXPECT_TRUE(pipeline.StudentDigest().empty());

  if (fs::is_regular_file(pipeline.artifacts())) fs::remove(pipeline.artifacts());
  TinyPipeline mended(directory.path(), still::testing::DemoData());
  const ProcessResult again = mended.Run();
  EXPECT_EQ(again.exit_code, 0) << again.out << again.err;
}

INSTANTIATE_TEST_SUITE_P(All, BadInputTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return std::string(test.param.name); });

// Root may write everywhere, so this test drops to the user nobody.
TEST(BadInputTest, DirectoryWithoutPermissionIsNamed) {
  if (still::testing::DemoData().empty()) GTEST_SKIP() << "no demo data: run scripts/fetch_demo_data.sh";
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  fs::create_directories(pipeline.artifacts());
  std::vector<std::string> command = pipeline.Command();
  if (geteuid() == 0) {
    fs::permissions(directory.path(), fs::perms(0755));
    const std::vector<std::string> as_nobody = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    command.insert(command.begin(), as_nobody.begin(), as_nobody.end());
  }
  fs::permissions(pipeline.artifacts(), fs::perms(0555));
  const ProcessResult result = still::testing::Run(command);
  fs::permissions(pipeline.artifacts(), fs::perms::owner_all);
  if (result.err.find("no worker at") != std::string::npos) GTEST_SKIP() << "nobody may not read the build directory";
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_NE(result.err.find(pipeline.artifacts()), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("ermission"), std::string::npos) << result.err;
}

}  // namespace
