#include "common/config/config.h"

#include <gtest/gtest.h>

#include "common/config/sweep.h"
#include "common/proto/config.pb.h"
#include "common/proto/control.pb.h"
#include "tests/testing/status_matchers.h"

namespace still {
namespace {

namespace v1 = stillhouse::v1;
using still::testing::StatusIs;
using ::testing::HasSubstr;

Status ReadYaml(const std::string& text, const std::string& origin, v1::PipelineConfig* config) {
  STILL_ASSIGN_OR_RETURN(const SweepDocument document, SweepDocument::Parse(text, origin));
  return document.Read(0, config);
}

TEST(ConfigTest, YamlOverlaysPresetValues) {
  v1::PipelineConfig config;
  config.set_ranks(7);
  config.mutable_corpus()->add_books("default is replaced, not extended");
  ASSERT_OK(ReadYaml(R"(
# a comment
name: "demo: one"
seed: 18446744073709551615
precision: bf16
corpus:
  books: [a.txt, "b c.txt"]
  lowercase: true
targets: {codec: topk, mask: {rate: .25}}
train:
  learning_rate: 5e-4
student:
)",
                     "demo.yaml", &config));
  EXPECT_EQ(config.ranks(), 7u);
  EXPECT_EQ(config.name(), "demo: one");
  EXPECT_EQ(config.seed(), 18446744073709551615u);
  EXPECT_EQ(config.precision(), v1::PRECISION_BF16);
  EXPECT_THAT(config.corpus().books(), ::testing::ElementsAre("a.txt", "b c.txt"));
  EXPECT_TRUE(config.corpus().lowercase());
  EXPECT_EQ(config.targets().codec(), v1::TARGET_CODEC_TOPK);
  EXPECT_EQ(config.targets().mask().rate(), 0.25);
  EXPECT_EQ(config.train().learning_rate(), 5e-4);
}

TEST(ConfigTest, AnEmptyDocumentChangesNothing) {
  v1::PipelineConfig config;
  EXPECT_OK(ReadYaml("", "e", &config));
  EXPECT_OK(ReadYaml("# only a comment\n", "e", &config));
  EXPECT_EQ(config.ByteSizeLong(), 0u);
}

struct WrongText {
  const char* text;
  int line;
  int column;
  const char* key;
};

TEST(ConfigTest, EveryErrorHasItsLineColumnAndKey) {
  const WrongText cases[] = {
      {"train:\n  epoch: 3\n", 2, 3, "train.epoch"},
      {"Name: x\n", 1, 1, "Name"},
      {"ranks: 2\nseed: 1\nranks: 3\n", 3, 1, "ranks"},
      {"train: {epochs: 1, epochs: 2}\n", 1, 20, "train.epochs"},
      {"ranks: -1\n", 1, 8, "ranks"},
      {"ranks: 1.5\n", 1, 8, "ranks"},
      {"ranks: two\n", 1, 8, "ranks"},
      {"ranks: 4294967296\n", 1, 8, "ranks"},
      {"ranks: [1]\n", 1, 8, "ranks"},
      {"ranks:\n", 1, 1, "ranks"},
      {"train: {dropout: 10%}\n", 1, 18, "train.dropout"},
      {"train: {dropout: .nan}\n", 1, 18, "train.dropout"},
      {"train: {dropout: nan}\n", 1, 18, "train.dropout"},
      {"train: {dropout: 1e999}\n", 1, 18, "train.dropout"},
      {"train: 3\n", 1, 8, "train"},
      {"train:\n- epochs\n", 2, 1, "train"},
      {"corpus: {lowercase: yes}\n", 1, 21, "corpus.lowercase"},
      {"corpus: {books: a.txt}\n", 1, 17, "corpus.books"},
      {"corpus:\n  books:\n  - a\n  - {b: c}\n", 4, 5, "corpus.books[1]"},
      {"name: [a]\n", 1, 7, "name"},
      {"targets: {codec: int8}\n", 1, 18, "targets.codec"},
      {"precision: unspecified\n", 1, 12, "precision"},
      {"- a\n", 1, 1, ""},
      {"? [a, b]\n: c\n", 1, 3, ""},
      {"corpus: {books: [a\n", 2, 1, ""},
      {"train:\n\tepochs: 1\n", 2, 8, ""},
      {"ranks: 1\n---\nranks: 2\n", 0, 0, ""},
  };
  for (const WrongText& wrong : cases) {
    v1::PipelineConfig config;
    const Status status = ReadYaml(wrong.text, "x.yaml", &config);
    EXPECT_THAT(status, StatusIs(Code::kInvalidArgument)) << wrong.text;
    ASSERT_NE(status.place(), nullptr) << wrong.text;
    EXPECT_EQ(*status.place(), (ConfigPlace{wrong.key, "x.yaml", wrong.line, wrong.column})) << status.ToString();
  }
}

TEST(ConfigTest, AnErrorNamesWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"train:\n  epoch: 3\n", "'epochs'"},
      {"student:\n  zebra: 3\n", "layers, from_teacher"},
      {"ranks: 1.5\n", "'1.5'"},
      {"- a\n", "list"},
      {"targets: {codec: int8}\n", "hidden_f16, topk"},
  };
  for (const auto& [text, fact] : cases) {
    v1::PipelineConfig config;
    EXPECT_THAT(ReadYaml(text, "x.yaml", &config), StatusIs(Code::kInvalidArgument, HasSubstr(fact)));
  }
}

v1::PipelineConfig Unusual() {
  v1::PipelineConfig config;
  config.set_name("quote \" colon: # and\nnew line");
  config.set_seed(~std::uint64_t{0});
  config.set_precision(v1::PRECISION_FP32);
  config.mutable_worker()->set_device(v1::DEVICE_CPU);
  config.mutable_corpus()->add_wikipedia("5");
  config.mutable_corpus()->add_wikipedia("true");
  config.mutable_corpus()->add_wikipedia("");
  config.mutable_corpus()->set_lowercase(true);
  config.mutable_targets()->set_codec(v1::TARGET_CODEC_HIDDEN_F16);
  config.mutable_targets()->set_positions(v1::POSITIONS_MASKED);
  config.mutable_train()->set_learning_rate(1.0 / 3);
  config.mutable_train()->set_epsilon(5e-324);
  config.mutable_train()->set_reduction(v1::REDUCTION_FAST);
  config.mutable_teacher()->mutable_fit()->set_reduction(v1::REDUCTION_EXACT);
  config.mutable_recovery()->set_mode(v1::RECOVERY_MODE_RELAUNCH);
  return config;
}

TEST(ConfigTest, YamlShowsEveryFieldAndReadsBackTheSame) {
  const v1::PipelineConfig config = Unusual();
  const std::string yaml = ToYaml(config);
  EXPECT_THAT(yaml, HasSubstr("\n  codec: hidden_f16\n"));
  EXPECT_THAT(yaml, HasSubstr("\n  learning_rate: 0.3333333333333333\n"));
  EXPECT_THAT(yaml, HasSubstr("\n    smoothing: 0\n"));
  v1::PipelineConfig read;
  ASSERT_OK(ReadYaml(yaml, "out.yaml", &read));
  EXPECT_EQ(ToYaml(read), yaml);
  EXPECT_EQ(read.name(), config.name());
  EXPECT_THAT(read.corpus().wikipedia(), ::testing::ElementsAre("5", "true", ""));
  EXPECT_EQ(read.train().epsilon(), 5e-324);
  EXPECT_EQ(read.train().learning_rate(), 1.0 / 3);
}

TEST(ConfigTest, JsonKeepsFieldNamesAndReadsBackTheSame) {
  v1::WorkerTask task;
  task.set_stage(v1::STAGE_TRAIN);
  *task.mutable_config() = Unusual();
  ASSERT_OK_AND_ASSIGN(const std::string json, ToJson(task));
  EXPECT_THAT(json, HasSubstr("\"learning_rate\""));
  EXPECT_THAT(json, HasSubstr("\"generation\": \"0\""));  // unset fields are written too
  v1::WorkerTask read;
  ASSERT_OK(FromJson(json, "task.json", &read));
  EXPECT_EQ(read.SerializeAsString(), task.SerializeAsString());
}

TEST(ConfigTest, JsonThatIsDamagedOrOfAnotherSchemaIsAnError) {
  v1::WorkerTask task;
  EXPECT_THAT(FromJson("{", "task.json", &task), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(FromJson(R"({"stagee": 1})", "task.json", &task), StatusIs(Code::kInvalidArgument));
}

}  // namespace
}  // namespace still
