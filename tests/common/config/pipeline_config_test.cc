#include "common/config/pipeline_config.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <regex>

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

// The least that passes.
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

TEST(PipelineConfigTest, DefaultsAreTheRecipe) {
  const v1::PipelineConfig config = Valid();
  EXPECT_OK(CheckPipelineConfig(config));
  EXPECT_EQ(config.train().alpha_ce(), 5);
  EXPECT_EQ(config.train().alpha_mlm(), 2);
  EXPECT_EQ(config.train().alpha_cos(), 1);
  EXPECT_EQ(config.train().beta2(), 0.98);
  EXPECT_EQ(config.train().sequences_per_step(), 4096u);
  EXPECT_EQ(config.teacher().fit().alpha_ce(), 0);
  EXPECT_EQ(config.teacher().fit().alpha_mlm(), 1);
}

TEST(PipelineConfigTest, CheckpointsGoByMeasuredCostAndSumsAreExactUnlessSaid) {
  const v1::PipelineConfig config = Valid();
  for (const v1::TrainConfig& train : {config.train(), config.teacher().fit()}) {
    EXPECT_EQ(train.checkpoint_steps(), 0u);
    EXPECT_EQ(train.checkpoint_seconds(), 0);
    EXPECT_EQ(train.keep_checkpoints(), 2u);
    EXPECT_EQ(train.keep_every(), 0u);
    EXPECT_EQ(train.reduction(), v1::REDUCTION_EXACT);
  }
  EXPECT_EQ(config.recovery().mode(), v1::RECOVERY_MODE_AUTO);
  EXPECT_EQ(config.recovery().snapshot_directory(), "/dev/shm");
  EXPECT_EQ(config.recovery().same_step_failures(), 3u);
}

TEST(PipelineConfigTest, RecoveryWithoutSnapshotsPasses) {
  v1::PipelineConfig config = Valid();
  config.mutable_recovery()->set_snapshot_directory("none");
  config.mutable_recovery()->set_mode(v1::RECOVERY_MODE_RELAUNCH);
  EXPECT_OK(CheckPipelineConfig(config));
}

struct Wrong {
  std::function<void(v1::PipelineConfig&)> change;
  std::string message;
};

TEST(PipelineConfigTest, EachWrongValueIsNamedWithWhatToDo) {
  using Config = v1::PipelineConfig;
  const Wrong wrongs[] = {
      {[](Config& c) { c.set_ranks(0); }, "ranks: 0 is not within 1 to 4096"},
      {[](Config& c) { c.set_threads_per_rank(0); }, "threads_per_rank: 0 is not within 1 to 1024"},
      {[](Config& c) { c.clear_artifacts(); }, "artifacts: name the directory"},
      {[](Config& c) { c.set_name("a/b"); }, "name: must not hold '/'"},
      {[](Config& c) { c.set_precision(v1::PRECISION_UNSPECIFIED); }, "precision: set it to auto, bf16 or fp32"},
      {[](Config& c) { c.mutable_corpus()->clear_books(); }, "corpus: there is no text"},
      {[](Config& c) { c.mutable_corpus()->set_max_sequence_tokens(513); }, "corpus.max_sequence_tokens: 513"},
      {[](Config& c) { c.mutable_corpus()->set_min_sequence_tokens(2); }, "corpus.min_sequence_tokens: 2"},
      {[](Config& c) { c.mutable_corpus()->set_min_sequence_tokens(129); },
       "corpus.min_sequence_tokens: 129 is more than corpus.max_sequence_tokens (128)"},
      {[](Config& c) { c.mutable_corpus()->set_sequences_per_shard(0); }, "corpus.sequences_per_shard: 0"},
      {[](Config& c) { c.mutable_corpus()->set_heldout_percent(51); }, "corpus.heldout_percent: 51"},
      {[](Config& c) { c.mutable_teacher()->clear_path(); }, "teacher.path: name the Hugging Face directory"},
      {[](Config& c) { c.mutable_teacher()->mutable_fit()->set_alpha_cos(1); }, "teacher.fit: a teacher is fitted by"},
      {[](Config& c) { c.mutable_teacher()->mutable_fit()->set_epochs(0); }, "teacher.fit.epochs: 0"},
      {[](Config& c) { c.mutable_targets()->mutable_mask()->set_rate(0); }, "targets.mask.rate: 0"},
      {[](Config& c) { c.mutable_targets()->mutable_mask()->set_variants(0); }, "targets.mask.variants: 0"},
      {[](Config& c) { c.mutable_targets()->set_positions(v1::POSITIONS_UNSPECIFIED); }, "targets.positions: set it"},
      {[](Config& c) { c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK); },
       "train.alpha_cos: targets.codec topk holds no hidden state: set train.alpha_cos to 0 or targets.codec to "
       "hidden_f16"},
      {[](Config& c) {
         c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
         c.mutable_train()->set_alpha_cos(0);
         c.mutable_train()->set_temperature(3);
       },
       "targets.temperature: codec topk keeps the targets of one temperature (2), train.temperature is 3"},
      {[](Config& c) {
         c.mutable_targets()->set_codec(v1::TARGET_CODEC_TOPK);
         c.mutable_targets()->set_top_k(0);
       },
       "targets.top_k: 0"},
      {[](Config& c) { c.mutable_train()->set_alpha_ce(-1); }, "train.alpha_ce: -1"},
      {[](Config& c) {
         c.mutable_train()->set_alpha_ce(0);
         c.mutable_train()->set_alpha_mlm(0);
         c.mutable_train()->set_alpha_cos(0);
       },
       "every loss has weight 0"},
      {[](Config& c) { c.mutable_train()->set_temperature(0); }, "train.temperature: 0"},
      {[](Config& c) { c.mutable_train()->set_microbatch_tokens(127); },
       "train.microbatch_tokens: 127 is less than corpus.max_sequence_tokens (128)"},
      {[](Config& c) { c.mutable_train()->set_learning_rate(0); }, "train.learning_rate: 0 is not above 0"},
      {[](Config& c) { c.mutable_train()->set_warmup_percent(101); }, "train.warmup_percent: 101"},
      {[](Config& c) { c.mutable_train()->set_beta2(1); }, "train.beta2: 1 is not at least 0 and below 1"},
      {[](Config& c) { c.mutable_train()->set_dropout(1); }, "train.dropout: 1 is not at least 0 and below 1"},
      {[](Config& c) { c.mutable_train()->set_clip_norm(0); }, "train.clip_norm: 0 is not above 0"},
      {[](Config& c) { c.mutable_train()->set_checkpoint_steps(1'000'001); }, "train.checkpoint_steps: 1000001"},
      {[](Config& c) { c.mutable_train()->set_checkpoint_seconds(-1); }, "train.checkpoint_seconds: -1"},
      {[](Config& c) { c.mutable_train()->set_keep_checkpoints(0); }, "train.keep_checkpoints: 0"},
      {[](Config& c) { c.mutable_train()->set_reduction(v1::REDUCTION_UNSPECIFIED); },
       "train.reduction: set it to exact or fast"},
      {[](Config& c) { c.mutable_evaluate()->set_latency_runs(0); }, "evaluate.latency_runs: 0"},
      {[](Config& c) { c.mutable_recovery()->set_mode(v1::RECOVERY_MODE_UNSPECIFIED); },
       "recovery.mode: set it to auto, inplace or relaunch"},
      {[](Config& c) { c.mutable_recovery()->set_hang_seconds(0.4); }, "recovery.hang_seconds: 0.4"},
      {[](Config& c) { c.mutable_recovery()->set_hang_factor(0.9); }, "recovery.hang_factor: 0.9"},
      {[](Config& c) { c.mutable_recovery()->set_orphan_seconds(0); }, "recovery.orphan_seconds: 0"},
      {[](Config& c) { c.mutable_recovery()->set_same_step_failures(0); }, "recovery.same_step_failures: 0"},
      {[](Config& c) { c.mutable_recovery()->set_same_step_failures(101); }, "recovery.same_step_failures: 101"},
      {[](Config& c) { c.mutable_recovery()->set_snapshot_directory("shm"); },
       "recovery.snapshot_directory: 'shm' is neither none nor an absolute path"},
      {[](Config& c) { c.mutable_recovery()->set_host_seconds(2); }, "recovery.host_seconds: 2"},
      {[](Config& c) { c.mutable_recovery()->set_failure_interval_hours(0); },
       "recovery.failure_interval_hours: 0 is not above 0"},
  };
  for (const Wrong& wrong : wrongs) {
    v1::PipelineConfig config = Valid();
    wrong.change(config);
    EXPECT_THAT(CheckPipelineConfig(config), StatusIs(Code::kInvalidArgument, HasSubstr(wrong.message)));
  }
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
  EXPECT_THAT(error("ranks: 0\n"), StatusIs(Code::kInvalidArgument, HasSubstr(path + ":1:8: ranks: 0")));
  EXPECT_THAT(error("corpus: {books: [b]}\nteacher: {path: t}\ntime_limit_minutes:\n  general: 20\n  train: -1\n"),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr(path + ":5:10: time_limit_minutes.train: -1 is not within 0 to 1000000")));
  EXPECT_THAT(error("time_limit_minutes:\n  train: soon\n"),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr(path + ":2:10: 'time_limit_minutes.train': expected a number, got 'soon'")));
  EXPECT_THAT(error("time_limit_minutes:\n  traim: 5\n"),
              StatusIs(Code::kInvalidArgument, HasSubstr(path + ":2:3: unknown key 'time_limit_minutes.traim'")));
  EXPECT_THAT(error("teacher: {path: t}\n"), StatusIs(Code::kInvalidArgument, HasSubstr(path + ": corpus: there is")))
      << "what is not in the file has no line";
  EXPECT_THAT(LoadPipelineConfig(directory / "absent.yaml"),
              StatusIs(Code::kInvalidArgument, HasSubstr("absent.yaml")));
}

// configs/sample.yaml with every commented-out key, "#key: value", in force.
std::string FullSample() {
  const std::string sample = ReadFile(STILL_SAMPLE_CONFIG).value();
  return std::regex_replace(sample, std::regex("(^|\n)( *)#(?=[a-z0-9_]+:)"), "$1$2");
}

// Every field of the message as "path:" of its YAML lines, dotted.
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

// The dotted paths of a block-style YAML text with two-space indents.
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

TEST(SampleConfigTest, LoadsAsItIsAndWithEveryKeyInForce) {
  ASSERT_OK_AND_ASSIGN(const v1::PipelineConfig as_is, LoadPipelineConfig(STILL_SAMPLE_CONFIG));
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "configs"));
  ASSERT_OK(WriteFileAtomically(directory / "configs/sample.yaml", FullSample()));
  ASSERT_OK_AND_ASSIGN(const v1::PipelineConfig full, LoadPipelineConfig(directory / "configs/sample.yaml"));

  // The values written beside the keys are the defaults: only the directories differ.
  v1::PipelineConfig expected = as_is;
  expected.set_artifacts(full.artifacts());
  *expected.mutable_corpus()->mutable_wikipedia() = full.corpus().wikipedia();
  *expected.mutable_corpus()->mutable_books() = full.corpus().books();
  expected.mutable_teacher()->set_path(full.teacher().path());
  EXPECT_EQ(ToYaml(full), ToYaml(expected));
}

TEST(SampleConfigTest, HoldsEveryKeyOfTheSchemaOnce) {
  std::vector<std::string> schema;
  CollectKeys(*v1::PipelineConfig::descriptor(), "", &schema);
  EXPECT_THAT(KeysOf(FullSample()), ::testing::UnorderedElementsAreArray(schema));
}

}  // namespace
}  // namespace still
