#include "common/config/pipeline_sweep.h"

#include <gtest/gtest.h>

#include <tuple>

#include "common/config/pipeline_config.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using ::testing::HasSubstr;

class PipelineSweepTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& more) const {
    const std::string path = directory_ / "ablation.yaml";
    EXPECT_OK(WriteFileAtomically(path, "corpus: {books: [b]}\nteacher: {path: t}\n" + more));
    return path;
  }
  const testing::TempDirectory directory_;
};

TEST_F(PipelineSweepTest, EveryVariantIsACompleteConfigurationOfOneName) {
  ASSERT_OK_AND_ASSIGN(const auto variants, LoadPipelineSweep(Write("matrix: {train.alpha_mlm: [0, 2]}\n")));
  ASSERT_EQ(variants.size(), 2u);
  for (const PipelineVariant& variant : variants) {
    EXPECT_EQ(variant.config.name(), "ablation");
    EXPECT_EQ(variant.config.teacher().path(), directory_ / "t");
  }
  EXPECT_EQ(variants[0].name, "alpha_mlm=0");
  EXPECT_EQ(variants[0].config.train().alpha_mlm(), 0);
}

TEST_F(PipelineSweepTest, AFileWithoutASweepIsOnePipeline) {
  ASSERT_OK_AND_ASSIGN(const auto variants, LoadPipelineSweep(Write("ranks: 2\n")));
  ASSERT_EQ(variants.size(), 1u);
  EXPECT_EQ(variants[0].name, "");
  EXPECT_EQ(variants[0].config.ranks(), 2u);
}

TEST_F(PipelineSweepTest, AWrongValueHasItsPlaceWhereverItIsGiven) {
  const std::tuple<const char*, int, int, const char*> wrongs[] = {
      {"matrix: {train.temperature: [2, 0]}\n", 3, 33, "train.temperature"},
      {"train:\n  epochs: 0\nmatrix: {seed: [1, 2]}\n", 4, 11, "train.epochs"},
      {"variants:\n  - name: a\n    train: {epochs: 0}\n", 5, 21, "train.epochs"},
      {"train: {epochs: 0}\nvariants:\n  - name: a\n    train.epochs: 2\n  - name: b\n", 3, 17, "train.epochs"},
  };
  for (const auto& [more, line, column, key] : wrongs) {
    const std::string path = Write(more);
    const Status status = LoadPipelineSweep(path).status();
    EXPECT_THAT(status, StatusIs(Code::kInvalidArgument));
    ASSERT_NE(status.place(), nullptr) << more;
    EXPECT_EQ(*status.place(), (ConfigPlace{key, path, line, column})) << status.ToString();
  }
}

TEST_F(PipelineSweepTest, AValueOutOfRangeNamesTheVariant) {
  EXPECT_THAT(LoadPipelineSweep(Write("matrix: {train.temperature: [2, 0]}\n")),
              StatusIs(Code::kInvalidArgument, HasSubstr("temperature=0")));
}

TEST_F(PipelineSweepTest, TwoVariantsOfOneConfigurationAreRefused) {
  EXPECT_THAT(LoadPipelineSweep(Write("variants: [{name: full}, {name: same, train.alpha_mlm: 2}]\n")),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("full"), HasSubstr("same"))));
  EXPECT_THAT(LoadPipelineSweep(Write("matrix: {train.alpha_mlm: [2, 2.0]}\n")), StatusIs(Code::kInvalidArgument));
}

TEST_F(PipelineSweepTest, AsOnePipelineASweepIsRefusedWithTheCommandThatTakesIt) {
  const std::string path = Write("matrix: {seed: [1, 2]}\n");
  EXPECT_THAT(LoadPipelineConfig(path), StatusIs(Code::kInvalidArgument, HasSubstr("`still submit " + path + "`")));
}

TEST_F(PipelineSweepTest, AMistypedFileNameIsAUsageError) {
  EXPECT_THAT(LoadPipelineSweep("/nowhere/x.yaml"), StatusIs(Code::kInvalidArgument));
}

}  // namespace
}  // namespace still
