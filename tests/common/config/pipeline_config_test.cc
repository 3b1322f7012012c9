#include "common/config/pipeline_config.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <regex>
#include <tuple>

#include "common/config/config.h"
#include "common/proto/config.pb.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

namespace v1 = stillhouse::v1;
using google::protobuf::Descriptor;
using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Returns the shortest configuration that passes.
v1::PipelineConfig Valid() {
  v1::PipelineConfig config = DefaultPipelineConfig();
  config.mutable_teacher()->set_path("/t");
  config.mutable_corpus()->add_books("/b");
  return config;
}

TEST(PipelineConfigTest, PathsStartAtTheFilesDirectory) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "configs"));
  const std::string path = directory / "configs/tiny.yaml";
  ASSERT_OK(WriteFileAtomically(path, R"(
artifacts: ../out
corpus: {wikipedia: [dump.xml.bz2, /abs/dump.xml.bz2], books: [../books]}
teacher: {path: ./teacher}
)"));
  ASSERT_OK_AND_ASSIGN(const v1::PipelineConfig config, LoadPipelineConfig(path));
  EXPECT_EQ(config.name(), "tiny");
  EXPECT_EQ(config.artifacts(), directory / "out");
  EXPECT_THAT(config.corpus().wikipedia(), ElementsAre(directory / "configs/dump.xml.bz2", "/abs/dump.xml.bz2"));
  EXPECT_THAT(config.corpus().books(), ElementsAre(directory / "books"));
  EXPECT_EQ(config.teacher().path(), directory / "configs/teacher");
  EXPECT_EQ(config.corpus().vocab(), "");  // stays "the teacher's"
}

TEST(PipelineConfigTest, ARelativeFileNameResolvesToo) {
  const TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "p.yaml", "corpus: {books: [b]}\nteacher: {path: t}\n"));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  const auto config = LoadPipelineConfig("p.yaml");
  std::filesystem::current_path(before);
  ASSERT_OK(config);
  EXPECT_EQ(config->teacher().path(), directory / "t");
}

// The sample's test holds the other defaults.
TEST(PipelineConfigTest, DefaultsAreTheRecipeAndPass) {
  const v1::PipelineConfig config = Valid();
  EXPECT_OK(CheckPipelineConfig(config));
  EXPECT_EQ(config.train().alpha_ce(), 5);
  EXPECT_EQ(config.train().alpha_mlm(), 2);
  EXPECT_EQ(config.train().alpha_cos(), 1);
}

TEST(PipelineConfigTest, RecoveryWithoutSnapshotsPasses) {
  v1::PipelineConfig config = Valid();
  config.mutable_recovery()->set_snapshot_directory("none");
  config.mutable_recovery()->set_mode(v1::RECOVERY_MODE_RELAUNCH);
  EXPECT_OK(CheckPipelineConfig(config));
}

struct Wrong {
  std::function<void(v1::PipelineConfig&)> change;
  std::string key;
};

TEST(PipelineConfigTest, EachWrongValueIsFoundByItsKey) {
  using Config = v1::PipelineConfig;
  const Wrong wrongs[] = {
      {[](Config& c) { c.set_ranks(0); }, "ranks"},
      {[](Config& c) { c.set_threads_per_rank(0); }, "threads_per_rank"},
      {[](Config& c) { c.clear_artifacts(); }, "artifacts"},
      {[](Config& c) { c.set_name("a/b"); }, "name"},
      {[](Config& c) { c.set_precision(v1::PRECISION_UNSPECIFIED); }, "precision"},
      {[](Config& c) { c.mutable_worker()->set_device(v1::DEVICE_UNSPECIFIED); }, "worker.device"},
      {[](Config& c) { c.mutable_corpus()->clear_books(); }, "corpus"},
      {[](Config& c) { c.mutable_corpus()->set_max_sequence_tokens(513); }, "corpus.max_sequence_tokens"},
      {[](Config& c) { c.mutable_corpus()->set_min_sequence_tokens(2); }, "corpus.min_sequence_tokens"},
      {[](Config& c) { c.mutable_corpus()->set_min_sequence_tokens(129); }, "corpus.min_sequence_tokens"},
      {[](Config& c) { c.mutable_corpus()->set_sequences_per_shard(0); }, "corpus.sequences_per_shard"},
      {[](Config& c) { c.mutable_corpus()->set_heldout_percent(51); }, "corpus.heldout_percent"},
      {[](Config& c) { c.mutable_teacher()->clear_path(); }, "teacher.path"},
      {[](Config& c) { c.mutable_teacher()->mutable_fit()->set_alpha_cos(1); }, "teacher.fit"},
      {[](Config& c) { c.mutable_teacher()->mutable_fit()->set_epochs(0); }, "teacher.fit.epochs"},
      {[](Config& c) { c.mutable_targets()->mutable_mask()->set_rate(0); }, "targets.mask.rate"},
      {[](Config& c) { c.mutable_targets()->mutable_mask()->set_variants(0); }, "targets.mask.variants"},
      {[](Config& c) { c.mutable_targets()->set_positions(v1::POSITIONS_UNSPECIFIED); }, "targets.positions"},
      {[](Config& c) { c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK); }, "train.alpha_cos"},
      {[](Config& c) {
         c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
         c.mutable_train()->set_alpha_cos(0);
         c.mutable_train()->set_temperature(3);
       },
       "targets.temperature"},
      {[](Config& c) {
         c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
         c.mutable_targets()->set_top_k(0);
       },
       "targets.top_k"},
      {[](Config& c) { c.mutable_train()->set_alpha_ce(-1); }, "train.alpha_ce"},
      {[](Config& c) {
         c.mutable_train()->set_alpha_ce(0);
         c.mutable_train()->set_alpha_mlm(0);
         c.mutable_train()->set_alpha_cos(0);
       },
       "train.alpha_mlm"},
      {[](Config& c) { c.mutable_train()->set_temperature(0); }, "train.temperature"},
      {[](Config& c) { c.mutable_train()->set_microbatch_tokens(127); }, "train.microbatch_tokens"},
      {[](Config& c) { c.mutable_train()->set_learning_rate(0); }, "train.learning_rate"},
      {[](Config& c) { c.mutable_train()->set_warmup_percent(101); }, "train.warmup_percent"},
      {[](Config& c) { c.mutable_train()->set_beta2(1); }, "train.beta2"},
      {[](Config& c) { c.mutable_train()->set_dropout(1); }, "train.dropout"},
      {[](Config& c) { c.mutable_train()->set_clip_norm(0); }, "train.clip_norm"},
      {[](Config& c) { c.mutable_train()->set_checkpoint_steps(1'000'001); }, "train.checkpoint_steps"},
      {[](Config& c) { c.mutable_train()->set_checkpoint_seconds(-1); }, "train.checkpoint_seconds"},
      {[](Config& c) { c.mutable_train()->set_keep_checkpoints(0); }, "train.keep_checkpoints"},
      {[](Config& c) { c.mutable_train()->set_reduction(v1::REDUCTION_UNSPECIFIED); }, "train.reduction"},
      {[](Config& c) { c.mutable_evaluate()->set_latency_runs(0); }, "evaluate.latency_runs"},
      {[](Config& c) { c.mutable_recovery()->set_mode(v1::RECOVERY_MODE_UNSPECIFIED); }, "recovery.mode"},
      {[](Config& c) { c.mutable_recovery()->set_hang_seconds(0.4); }, "recovery.hang_seconds"},
      {[](Config& c) { c.mutable_recovery()->set_hang_factor(0.9); }, "recovery.hang_factor"},
      {[](Config& c) { c.mutable_recovery()->set_orphan_seconds(0); }, "recovery.orphan_seconds"},
      {[](Config& c) { c.mutable_recovery()->set_same_step_failures(0); }, "recovery.same_step_failures"},
      {[](Config& c) { c.mutable_recovery()->set_same_step_failures(101); }, "recovery.same_step_failures"},
      {[](Config& c) { c.mutable_recovery()->set_snapshot_directory("shm"); }, "recovery.snapshot_directory"},
      {[](Config& c) { c.mutable_recovery()->set_host_seconds(2); }, "recovery.host_seconds"},
      {[](Config& c) { c.mutable_recovery()->set_failure_interval_hours(0); }, "recovery.failure_interval_hours"},
  };
  for (const Wrong& wrong : wrongs) {
    v1::PipelineConfig config = Valid();
    wrong.change(config);
    const Status status = CheckPipelineConfig(config);
    EXPECT_THAT(status, StatusIs(Code::kInvalidArgument));
    ASSERT_NE(status.place(), nullptr) << wrong.key;
    EXPECT_EQ(status.place()->key, wrong.key) << status.ToString();
  }
}

TEST(PipelineConfigTest, AMessageNamesTheKeyTheValueAndTheRange) {
  v1::PipelineConfig config = Valid();
  config.set_ranks(0);
  EXPECT_EQ(CheckPipelineConfig(config).message(), "ranks: 0 is not within 1 to 4096");
}

TEST(PipelineConfigTest, TopkWithoutCosineAtOneTemperaturePasses) {
  v1::PipelineConfig config = Valid();
  config.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
  config.mutable_targets()->set_positions(v1::POSITIONS_MASKED);
  config.mutable_train()->set_alpha_cos(0);
  EXPECT_OK(CheckPipelineConfig(config));
}

TEST(PipelineConfigTest, AFailedCheckNamesFileLineAndColumn) {
  const TempDirectory directory;
  const std::string path = directory / "p.yaml";
  const auto error = [&](const std::string& text) {
    EXPECT_OK(WriteFileAtomically(path, text));
    return LoadPipelineConfig(path).status();
  };
  const std::pair<std::string, ConfigPlace> wrongs[] = {
      {"ranks: 0\n", {"ranks", path, 1, 8}},
      {"corpus: {books: [b]}\nteacher: {path: t}\ntime_limit_minutes:\n  general: 20\n  train: -1\n",
       {"time_limit_minutes.train", path, 5, 10}},
      {"time_limit_minutes:\n  train: soon\n", {"time_limit_minutes.train", path, 2, 10}},
      {"time_limit_minutes:\n  traim: 5\n", {"time_limit_minutes.traim", path, 2, 3}},
      {"teacher: {path: t}\n", {"corpus", path, 0, 0}},  // what the file does not set has no line
  };
  for (const auto& [text, place] : wrongs) {
    const Status status = error(text);
    ASSERT_NE(status.place(), nullptr) << text;
    EXPECT_EQ(*status.place(), place) << status.ToString();
    EXPECT_TRUE(status.message().starts_with(place.ToString() + ": ")) << status.ToString();
  }
  EXPECT_THAT(LoadPipelineConfig(directory / "absent.yaml"), StatusIs(Code::kNotFound, HasSubstr("absent.yaml")));
}

// Returns configs/sample.yaml with every commented-out key ("#key: value") in force.
std::string FullSample() {
  const std::string sample = ReadFile(STILL_SAMPLE_CONFIG).value();
  return std::regex_replace(sample, std::regex("(^|\n)( *)#(?=[a-z0-9_]+:)"), "$1$2");
}

// Appends the dotted path of every field of the message.
void CollectKeys(const Descriptor& descriptor, const std::string& prefix, std::vector<std::string>* keys) {
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const auto& field = *descriptor.field(i);
    const std::string key = prefix + field.name();
    if (field.message_type() != nullptr) {
      CollectKeys(*field.message_type(), key + ".", keys);
    } else {
      keys->push_back(key);
    }
  }
}

// Returns the dotted paths of a YAML text in block style with indents of two blanks.
std::vector<std::string> KeysOf(const std::string& yaml) {
  std::vector<std::string> keys;
  std::vector<std::string> open;
  const std::regex line("(^|\n)( *)([a-z0-9_]+):([^\n]*)");
  for (std::sregex_iterator at(yaml.begin(), yaml.end(), line), end; at != end; ++at) {
    open.resize(static_cast<std::size_t>(at->length(2)) / 2);
    open.push_back(at->str(3));
    if (at->length(4) > 0) keys.push_back(fmt::format("{}", fmt::join(open, ".")));
  }
  return keys;
}

TEST(SampleConfigTest, EveryDocumentedDefaultIsTheBuiltInOne) {
  ASSERT_OK_AND_ASSIGN(const v1::PipelineConfig as_is, LoadPipelineConfig(STILL_SAMPLE_CONFIG));
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "configs"));
  ASSERT_OK(WriteFileAtomically(directory / "configs/sample.yaml", FullSample()));
  ASSERT_OK_AND_ASSIGN(const v1::PipelineConfig full, LoadPipelineConfig(directory / "configs/sample.yaml"));

  // The value beside every key is the built-in default, except for the name and the paths, which have none.
  for (const v1::PipelineConfig& sample : {as_is, full}) {
    v1::PipelineConfig expected = DefaultPipelineConfig();
    expected.set_name("sample");
    expected.set_artifacts(sample.artifacts());
    *expected.mutable_corpus()->mutable_wikipedia() = sample.corpus().wikipedia();
    *expected.mutable_corpus()->mutable_books() = sample.corpus().books();
    expected.mutable_teacher()->set_path(sample.teacher().path());
    EXPECT_EQ(ToYaml(sample), ToYaml(expected));
  }
}

TEST(SampleConfigTest, HoldsEveryKeyOfTheSchemaOnce) {
  std::vector<std::string> schema;
  CollectKeys(*v1::PipelineConfig::descriptor(), "", &schema);
  EXPECT_THAT(KeysOf(FullSample()), ::testing::UnorderedElementsAreArray(schema));
}

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
              StatusIs(Code::kInvalidArgument, HasSubstr(":3:33: variant temperature=0: train.temperature: 0 is not")));
}

TEST_F(PipelineSweepTest, TwoVariantsOfOneConfigurationAreRefused) {
  EXPECT_THAT(LoadPipelineSweep(Write("variants: [{name: full}, {name: same, train.alpha_mlm: 2}]\n")),
              StatusIs(Code::kInvalidArgument, HasSubstr("the variants full and same are the same configuration")));
  EXPECT_THAT(LoadPipelineSweep(Write("matrix: {train.alpha_mlm: [2, 2.0]}\n")), StatusIs(Code::kInvalidArgument));
}

TEST_F(PipelineSweepTest, AsOnePipelineASweepIsRefusedWithTheCommandThatTakesIt) {
  const std::string path = Write("matrix: {seed: [1, 2]}\n");
  EXPECT_THAT(LoadPipelineConfig(path), StatusIs(Code::kInvalidArgument, HasSubstr("`still submit " + path + "`")));
}

TEST_F(PipelineSweepTest, AFileThatIsNotThereIsNotFoundAndNamedOnce) {
  EXPECT_THAT(LoadPipelineSweep("/nowhere/x.yaml"),
              StatusIs(Code::kNotFound, "cannot open /nowhere/x.yaml: No such file or directory: check the path"));
}

}  // namespace
}  // namespace still
