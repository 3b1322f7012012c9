#include "common/config/sweep.h"

#include <gtest/gtest.h>

#include "common/config/pipeline_config.h"
#include "common/proto/config.pb.h"
#include "tests/testing/status_matchers.h"

namespace still {
namespace {

namespace v1 = stillhouse::v1;
using still::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

// Returns the first error of reading all variants of a sweep.
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
  EXPECT_EQ(ReadOne(sweep, 2).train().alpha_cos(), 0);
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

TEST(SweepTest, EveryMistakeIsRefusedWithItsKeyAndPlace) {
  const std::pair<const char*, const char*> wrongs[] = {
      {"matrix: {train.alpha_mml: [1]}", "train.alpha_mml"},
      {"matrix: {trainer.alpha_mlm: [1]}", "trainer"},
      {"matrix: {ranks.x: [1]}", "ranks.x"},
      {"matrix: {corpus.books.x: [1]}", "corpus.books.x"},
      {"matrix: {train.: [1]}", "train."},
      {"matrix: {'': [1]}", ""},
      {"matrix: {seed: []}", "matrix.seed"},
      {"matrix: {seed: 1}", "matrix.seed"},
      {"matrix: {seed: {a: 1}}", "matrix.seed"},
      {"matrix: {}", "matrix"},
      {"matrix:", "matrix"},
      {"matrix: [1]", "matrix"},
      {"matrix: {seed: [1, x]}", "seed"},
      {"matrix: {seed: [1, ~]}", "seed"},
      {"matrix: {seed: [1, 2, 1]}", "seed"},
      {"matrix: {seed: [1], seed: [2]}", "matrix.seed"},
      {"matrix: {[a]: [1]}", "matrix"},
      {"matrix: {seed: &a [*a]}", "seed"},
      {"matrix: {train: [&a {train: *a}]}", "train.train"},
      {"matrix: {name: [a, b]}", "name"},
      {"variants: [{name: x, artifacts: y}]", "artifacts"},
      {"matrix: {train: [{epochs: 1}], train.epochs: [2]}", "train.epochs"},
      {"variants: [{name: x, seed: 1}]\nmatrix: {seed: [2]}", "seed"},
      {"variants: []", "variants"},
      {"variants: {name: x}", "variants"},
      {"variants: [x]", "variants[0]"},
      {"variants: [{seed: 1}]", "variants[0]"},
      {"variants: [{name: a}, {name: a, seed: 1}]", "variants[1].name"},
      {"variants: [{name: a, name: b}]", "variants[0].name"},
      {"variants: [{name: a/b}]", "variants[0].name"},
      {"variants: [{name: \"a\\eb\"}]", "variants[0].name"},
      {"variants: [{name: ''}]", "variants[0].name"},
      {"variants: [{name: a, sed: 1}]", "sed"},
      {"matrix: {seed: [1]}\nmatrix: {seed: [2]}", "matrix"},
      {"matrix: {seed: [1]}\nrankz: 2", "rankz"},
  };
  for (const auto& [text, key] : wrongs) {
    const Status status = Reading(text);
    EXPECT_THAT(status, StatusIs(Code::kInvalidArgument)) << text;
    ASSERT_NE(status.place(), nullptr) << text;
    EXPECT_EQ(status.place()->key, key) << status.ToString();
    EXPECT_EQ(status.place()->file, "s.yaml");
    EXPECT_GT(status.place()->line, 0) << status.ToString();
  }
}

TEST(SweepTest, MoreThanTheMostVariantsAreRefused) {
  std::string list = "[0";
  for (int i = 1; i < 17; ++i) list += fmt::format(", {}", i);
  list += "]";
  EXPECT_THAT(Reading(fmt::format("matrix: {{seed: {0}, targets.mask.seed: {0}}}", list)),
              StatusIs(Code::kInvalidArgument, HasSubstr("256")));
  std::string variants = "variants:\n";
  for (int i = 0; i < 257; ++i) variants += fmt::format("  - {{name: v{}, seed: {}}}\n", i, i);
  EXPECT_THAT(Reading(variants), StatusIs(Code::kInvalidArgument));
}

}  // namespace
}  // namespace still
