#include "common/config/sweep.h"

#include <gtest/gtest.h>

#include "common/config/pipeline_config.h"
#include "common/proto/config.pb.h"
#include "tests/testing/status_matchers.h"

namespace still {
namespace {

namespace v1 = stillhouse::v1;
using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<std::string> Names(const SweepDocument& sweep) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < sweep.size(); ++i) names.push_back(sweep.name(i));
  return names;
}

v1::PipelineConfig ReadOne(const SweepDocument& sweep, std::size_t variant) {
  v1::PipelineConfig config = DefaultPipelineConfig();
  EXPECT_OK(sweep.Read(variant, &config));
  return config;
}

// What reading all of a sweep says.
Status Reading(const std::string& text) {
  const auto sweep = SweepDocument::Parse(text, "s.yaml");
  STILL_RETURN_IF_ERROR(sweep.status());
  for (std::size_t i = 0; i < sweep->size(); ++i) {
    v1::PipelineConfig config;
    STILL_RETURN_IF_ERROR(sweep->Read(i, &config));
  }
  return Ok();
}

TEST(SweepTest, ADocumentWithoutTheSectionsIsOneVariantWithoutAName) {
  for (const char* text : {"ranks: 3\n", ""}) {
    ASSERT_OK_AND_ASSIGN(const SweepDocument sweep, SweepDocument::Parse(text, "s.yaml"));
    EXPECT_FALSE(sweep.swept());
    EXPECT_THAT(Names(sweep), ElementsAre(""));
    EXPECT_EQ(ReadOne(sweep, 0).ranks(), *text == '\0' ? 1u : 3u);
  }
}

TEST(SweepTest, AMatrixIsEveryCombinationTheLastKeyFastest) {
  ASSERT_OK_AND_ASSIGN(
      const SweepDocument sweep,
      SweepDocument::Parse("matrix: {train.alpha_mlm: [0, 2], student.from_teacher: [true, false]}\nranks: 3\n", "s"));
  EXPECT_TRUE(sweep.swept());
  EXPECT_THAT(Names(sweep), ElementsAre("alpha_mlm=0,from_teacher=true", "alpha_mlm=0,from_teacher=false",
                                        "alpha_mlm=2,from_teacher=true", "alpha_mlm=2,from_teacher=false"));
  EXPECT_THAT(sweep.settings(1), ElementsAre(Pair("train.alpha_mlm", "0"), Pair("student.from_teacher", "false")));
  const v1::PipelineConfig config = ReadOne(sweep, 1);
  EXPECT_EQ(config.train().alpha_mlm(), 0);
  EXPECT_FALSE(config.student().from_teacher());
  EXPECT_EQ(config.train().alpha_ce(), 5);
  EXPECT_EQ(config.ranks(), 3u);
}

TEST(SweepTest, VariantsOverlayTheDocumentByDottedKeysAndBySections) {
  ASSERT_OK_AND_ASSIGN(const SweepDocument sweep, SweepDocument::Parse(R"(
train: {alpha_ce: 3, alpha_cos: 1}
variants:
  - name: full
  - {name: no-cos, train.alpha_cos: 0}
  - name: few
    train: {alpha_cos: 0, epochs: 1}
)",
                                                                       "s"));
  EXPECT_THAT(Names(sweep), ElementsAre("full", "no-cos", "few"));
  EXPECT_EQ(ReadOne(sweep, 0).train().alpha_cos(), 1);
  EXPECT_EQ(ReadOne(sweep, 1).train().alpha_cos(), 0);
  EXPECT_EQ(ReadOne(sweep, 2).train().epochs(), 1u);
  EXPECT_EQ(ReadOne(sweep, 2).train().alpha_ce(), 3);
  EXPECT_THAT(sweep.settings(2), ElementsAre(Pair("train", "{alpha_cos: 0, epochs: 1}")));
}

TEST(SweepTest, VariantsAndMatrixMultiply) {
  ASSERT_OK_AND_ASSIGN(const SweepDocument sweep,
                       SweepDocument::Parse("variants: [{name: a}, {name: b, train.alpha_cos: 0}]\n"
                                            "matrix: {seed: [1, 2]}\n",
                                            "s"));
  EXPECT_THAT(Names(sweep), ElementsAre("a,seed=1", "a,seed=2", "b,seed=1", "b,seed=2"));
  EXPECT_EQ(ReadOne(sweep, 3).seed(), 2u);
  EXPECT_EQ(ReadOne(sweep, 3).train().alpha_cos(), 0);
}

TEST(SweepTest, NamesAreWordsAndTellPathsOfOneEndingApart) {
  ASSERT_OK_AND_ASSIGN(
      const SweepDocument sweep,
      SweepDocument::Parse("matrix: {train.epochs: [1], teacher.fit.epochs: [2], teacher.path: [../a, 'b c']}\n", "s"));
  EXPECT_THAT(Names(sweep), ElementsAre("train.epochs=1,teacher.fit.epochs=2,path=#1",
                                        "train.epochs=1,teacher.fit.epochs=2,path=#2"));
  ASSERT_OK_AND_ASSIGN(const SweepDocument lists,
                       SweepDocument::Parse("corpus: {books: [x]}\nmatrix: {corpus.books: [[a, b], [c]]}\n", "s"));
  EXPECT_THAT(Names(lists), ElementsAre("books=#1", "books=#2"));
  EXPECT_THAT(ReadOne(lists, 0).corpus().books(), ElementsAre("a", "b"));
  EXPECT_THAT(ReadOne(lists, 1).corpus().books(), ElementsAre("c"));
}

struct WrongSweep {
  const char* text;
  const char* message;
};

class WrongSweepTest : public ::testing::TestWithParam<WrongSweep> {};

TEST_P(WrongSweepTest, IsRefusedWithItsPlace) {
  EXPECT_THAT(Reading(GetParam().text),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("s.yaml:"), HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongSweepTest,
    ::testing::Values(
        WrongSweep{"matrix: {train.alpha_mml: [1]}", "s.yaml:1:10: unknown key 'train.alpha_mml'; did you mean"},
        WrongSweep{"matrix: {trainer.alpha_mlm: [1]}", "unknown key 'trainer'; did you mean 'train'?"},
        WrongSweep{"matrix: {ranks.x: [1]}", "'ranks' is no section: it has no key 'x'"},
        WrongSweep{"matrix: {corpus.books.x: [1]}", "'corpus.books' is no section"},
        WrongSweep{"matrix: {train.: [1]}", "unknown key 'train.'"}, WrongSweep{"matrix: {'': [1]}", "unknown key ''"},
        WrongSweep{"matrix: {seed: []}", "s.yaml:1:16: 'matrix.seed': the list is empty"},
        WrongSweep{"matrix: {seed: 1}", "'matrix.seed': expected a list of values, got '1'"},
        WrongSweep{"matrix: {seed: {a: 1}}", "expected a list of values, got a mapping"},
        WrongSweep{"matrix: {}", "'matrix': expected a mapping of dotted keys"},
        WrongSweep{"matrix:", "'matrix': expected a mapping of dotted keys to lists of values, got nothing"},
        WrongSweep{"matrix: [1]", "'matrix': expected a mapping"},
        WrongSweep{"matrix: {seed: [1, x]}", "'seed': expected a whole number from 0, got 'x'"},
        WrongSweep{"matrix: {seed: [1, ~]}", "'seed' has no value"},
        WrongSweep{"matrix: {seed: [1, 2, 1]}", "'matrix.seed' lists 1 twice"},
        WrongSweep{"matrix: {seed: [1], seed: [2]}", "key 'matrix.seed' is given twice"},
        WrongSweep{"matrix: {[a]: [1]}", "a key must be a plain word"},
        WrongSweep{"matrix: {seed: &a [*a]}", "'seed': expected a whole number from 0, got a list"},
        WrongSweep{"matrix: {train: [&a {train: *a}]}", "unknown key 'train.train'"},
        WrongSweep{"matrix: {name: [a, b]}", "'name' is the whole sweep's"},
        WrongSweep{"variants: [{name: x, artifacts: y}]", "'artifacts' is the whole sweep's"},
        WrongSweep{"matrix: {train: [{epochs: 1}], train.epochs: [2]}", "'train.epochs' is set twice for one variant"},
        WrongSweep{"variants: [{name: x, seed: 1}]\nmatrix: {seed: [2]}", "s.yaml:2:10: 'seed' is set twice"},
        WrongSweep{"variants: []", "'variants': expected a list of variants"},
        WrongSweep{"variants: {name: x}", "'variants': expected a list of variants, each with a name, got a mapping"},
        WrongSweep{"variants: [x]", "'variants[0]': expected a mapping"},
        WrongSweep{"variants: [{seed: 1}]", "variants[0] has no name"},
        WrongSweep{"variants: [{name: a}, {name: a, seed: 1}]", "s.yaml:1:30: two variants have the name 'a'"},
        WrongSweep{"variants: [{name: a, name: b}]", "key 'variants[0].name' is given twice"},
        WrongSweep{"variants: [{name: a/b}]", "'variants[0].name': expected a word of letters"},
        WrongSweep{"variants: [{name: \"a\\eb\"}]", "expected a word of letters"},
        WrongSweep{"variants: [{name: ''}]", "expected a word of letters"},
        WrongSweep{"variants: [{name: a, sed: 1}]", "unknown key 'sed'; did you mean 'seed'?"},
        WrongSweep{"matrix: {seed: [1]}\nmatrix: {seed: [2]}", "key 'matrix' is given twice"},
        WrongSweep{"matrix: {seed: [1]}\nrankz: 2", "s.yaml:2:1: unknown key 'rankz'"}));

TEST(SweepTest, MoreThanTheMostVariantsAreRefused) {
  std::string list = "[0";
  for (int i = 1; i < 17; ++i) list += fmt::format(", {}", i);
  list += "]";
  EXPECT_THAT(Reading(fmt::format("matrix: {{seed: {0}, targets.mask.seed: {0}}}", list)),
              StatusIs(Code::kInvalidArgument, HasSubstr("289 or more variants: a sweep has at most 256; split it")));
  std::string variants = "variants:\n";
  for (int i = 0; i < 257; ++i) variants += fmt::format("  - {{name: v{}, seed: {}}}\n", i, i);
  EXPECT_THAT(Reading(variants), StatusIs(Code::kInvalidArgument, HasSubstr("at most 256")));
}

}  // namespace
}  // namespace still
