#include "common/config/pipeline_config.h"

#include <filesystem>
#include <map>

#include "common/config/config.h"
#include "common/config/sweep.h"

namespace still {
namespace v1 = stillhouse::v1;
namespace fs = std::filesystem;
namespace {

// Sets the recipe of DistilBERT (Sanh et al. 2019), as its paper and its train.py have it.
void SetTrainDefaults(v1::TrainConfig* train) {
  train->set_alpha_ce(5);
  train->set_alpha_mlm(2);
  train->set_alpha_cos(1);
  train->set_temperature(2);
  train->set_epochs(3);
  train->set_sequences_per_step(4096);
  train->set_microbatch_tokens(4096);
  train->set_learning_rate(5e-4);
  train->set_warmup_percent(5);
  train->set_beta1(0.9);
  train->set_beta2(0.98);
  train->set_epsilon(1e-6);
  train->set_weight_decay(0);
  train->set_clip_norm(5);
  train->set_dropout(0.1);
  train->set_attention_dropout(0.1);
  train->set_keep_checkpoints(2);
  train->set_reduction(v1::REDUCTION_EXACT);
}

// Keeps the status of the first check that failed; its place names the key.
class Checks {
 public:
  void That(bool holds, std::string_view key, std::string_view what_to_do) {
    if (!status_.ok() || holds) return;
    status_ = Error(Code::kInvalidArgument, "{}: {}", key, what_to_do).At({.key = std::string(key)});
  }
  template <typename T>
  void Within(T value, T low, T high, std::string_view key) {
    That(value >= low && value <= high, key, fmt::format("{} is not within {} to {}", value, low, high));
  }
  void Positive(double value, std::string_view key) { That(value > 0, key, fmt::format("{} is not above 0", value)); }
  // Checks for [0, 1). A share of 1 would leave nothing.
  void Share(double value, std::string_view key) {
    That(value >= 0 && value < 1, key, fmt::format("{} is not at least 0 and below 1", value));
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

void CheckTrain(const v1::TrainConfig& train, const std::string& section, std::uint32_t max_sequence_tokens,
                Checks* check) {
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", section, name); };
  check->Within(train.alpha_ce(), 0.0, 1e6, key("alpha_ce"));
  check->Within(train.alpha_mlm(), 0.0, 1e6, key("alpha_mlm"));
  check->Within(train.alpha_cos(), 0.0, 1e6, key("alpha_cos"));
  check->That(train.alpha_ce() + train.alpha_mlm() + train.alpha_cos() > 0, key("alpha_mlm"),
              "every loss has weight 0: set alpha_ce, alpha_mlm or alpha_cos above 0");
  check->Within(train.temperature(), 0.01, 100.0, key("temperature"));
  check->Within(train.epochs(), 1u, 1'000'000u, key("epochs"));
  check->Within(train.sequences_per_step(), 1u, 1u << 20, key("sequences_per_step"));
  check->That(train.microbatch_tokens() >= max_sequence_tokens, key("microbatch_tokens"),
              fmt::format("{} is less than corpus.max_sequence_tokens ({}): the longest sequence fits in no microbatch",
                          train.microbatch_tokens(), max_sequence_tokens));
  check->Within(train.microbatch_tokens(), 1u, 1u << 20, key("microbatch_tokens"));
  check->Positive(train.learning_rate(), key("learning_rate"));
  check->Within(train.warmup_percent(), 0.0, 100.0, key("warmup_percent"));
  check->Share(train.beta1(), key("beta1"));
  check->Share(train.beta2(), key("beta2"));
  check->Positive(train.epsilon(), key("epsilon"));
  check->Within(train.weight_decay(), 0.0, 1.0, key("weight_decay"));
  check->Positive(train.clip_norm(), key("clip_norm"));
  check->Share(train.dropout(), key("dropout"));
  check->Share(train.attention_dropout(), key("attention_dropout"));
  check->Within(train.checkpoint_steps(), 0u, 1'000'000u, key("checkpoint_steps"));
  check->Within(train.checkpoint_seconds(), 0.0, 1e6, key("checkpoint_seconds"));
  check->Within(train.keep_checkpoints(), 1u, 1000u, key("keep_checkpoints"));
  check->That(train.reduction() != v1::REDUCTION_UNSPECIFIED, key("reduction"), "set it to exact or fast");
}

void CheckRecovery(const v1::RecoveryConfig& recovery, Checks* check) {
  check->That(recovery.mode() != v1::RECOVERY_MODE_UNSPECIFIED, "recovery.mode", "set it to auto, inplace or relaunch");
  check->Within(recovery.hang_seconds(), 0.5, 86400.0, "recovery.hang_seconds");
  check->Within(recovery.hang_factor(), 1.0, 1000.0, "recovery.hang_factor");
  check->Within(recovery.orphan_seconds(), 1.0, 86400.0, "recovery.orphan_seconds");
  check->Within(recovery.same_step_failures(), 1u, 100u, "recovery.same_step_failures");
  const std::string& snapshots = recovery.snapshot_directory();
  check->That(snapshots == "none" || snapshots.starts_with('/'), "recovery.snapshot_directory",
              fmt::format("'{}' is neither none nor an absolute path", snapshots));
  check->Positive(recovery.failure_interval_hours(), "recovery.failure_interval_hours");
  // A rank that is well may need up to three seconds between two heartbeats; a shorter limit would lose its host.
  check->Within(recovery.host_seconds(), 3.0, 86400.0, "recovery.host_seconds");
}

void CheckTimeLimits(const v1::TimeLimits& minutes, Checks* check) {
  const google::protobuf::Descriptor& keys = *v1::TimeLimits::descriptor();
  for (int i = 0; i < keys.field_count(); ++i)
    check->Within(minutes.GetReflection()->GetDouble(minutes, keys.field(i)), 0.0, 1e6,
                  "time_limit_minutes." + keys.field(i)->name());
}

void CheckCorpus(const v1::CorpusConfig& corpus, Checks* check) {
  check->That(corpus.wikipedia_size() + corpus.books_size() > 0, "corpus",
              "there is no text: list dumps in corpus.wikipedia or files in corpus.books");
  // The upper bound is BERT's. The teacher's own bound is checked when the teacher is read. The lower bound of 3 leaves
  // room for [CLS], one token and [SEP].
  check->Within(corpus.max_sequence_tokens(), 3u, 512u, "corpus.max_sequence_tokens");
  check->Within(corpus.min_sequence_tokens(), 3u, 512u, "corpus.min_sequence_tokens");
  check->That(corpus.min_sequence_tokens() <= corpus.max_sequence_tokens(), "corpus.min_sequence_tokens",
              fmt::format("{} is more than corpus.max_sequence_tokens ({})", corpus.min_sequence_tokens(),
                          corpus.max_sequence_tokens()));
  check->Within(corpus.sequences_per_shard(), 1u, 1u << 24, "corpus.sequences_per_shard");
  check->Within(corpus.heldout_percent(), 0.0, 50.0, "corpus.heldout_percent");
  check->That(corpus.heldout_percent() > 0, "corpus.heldout_percent",
              "0 leaves nothing to evaluate on: set it above 0");
}

void CheckTargets(const v1::TargetsConfig& targets, const v1::TrainConfig& train, Checks* check) {
  check->That(targets.codec() != v1::TARGET_CODEC_UNSPECIFIED, "targets.codec", "set it to hidden_f16 or topk");
  check->That(targets.positions() != v1::POSITIONS_UNSPECIFIED, "targets.positions", "set it to all or masked");
  check->Within(targets.mask().rate(), 0.001, 0.9, "targets.mask.rate");
  check->Within(targets.mask().smoothing(), 0.0, 2.0, "targets.mask.smoothing");
  check->Within(targets.mask().variants(), 1u, 1000u, "targets.mask.variants");
  if (targets.codec() != v1::TARGET_CODEC_TOPK) return;
  check->Within(targets.top_k(), 1u, 4096u, "targets.top_k");
  check->Within(targets.temperature(), 0.01, 100.0, "targets.temperature");
  check->That(
      targets.temperature() == train.temperature(), "targets.temperature",
      fmt::format("codec topk keeps the targets of one temperature ({}), train.temperature is {}: set both alike "
                  "or targets.codec to hidden_f16",
                  targets.temperature(), train.temperature()));
  check->That(train.alpha_cos() == 0, "train.alpha_cos",
              "targets.codec topk holds no hidden state: set train.alpha_cos to 0 or targets.codec to hidden_f16");
}

std::string Absolute(const fs::path& directory, const std::string& path) {
  return path.empty() ? path : (directory / path).lexically_normal().string();
}

void ResolvePaths(const fs::path& directory, v1::PipelineConfig* config) {
  v1::CorpusConfig& corpus = *config->mutable_corpus();
  for (std::string& path : *corpus.mutable_wikipedia()) path = Absolute(directory, path);
  for (std::string& path : *corpus.mutable_books()) path = Absolute(directory, path);
  corpus.set_vocab(Absolute(directory, corpus.vocab()));
  config->mutable_teacher()->set_path(Absolute(directory, config->teacher().path()));
  config->set_artifacts(Absolute(directory, config->artifacts()));
}

// Makes the paths of a configuration that was read from `path` absolute against that file's directory. Sets an absent
// `name` to the file's stem. Then checks the configuration.
Status Complete(const std::string& path, v1::PipelineConfig* config) {
  if (config->name().empty()) config->set_name(fs::path(path).stem().string());
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) return Error(Code::kInvalidArgument, "cannot tell the working directory: {}", error.message());
  ResolvePaths(absolute.parent_path(), config);
  return CheckPipelineConfig(*config);
}

// Returns one variant of the file `path`: the defaults, overlaid by the document, complete and checked.
Result<v1::PipelineConfig> ReadVariant(const SweepDocument& document, std::size_t variant, const std::string& path) {
  v1::PipelineConfig config = DefaultPipelineConfig();
  STILL_RETURN_IF_ERROR(document.Read(variant, &config));
  STILL_RETURN_IF_ERROR(document.Locate(variant, Complete(path, &config)));
  return config;
}

}  // namespace

v1::PipelineConfig DefaultPipelineConfig() {
  v1::PipelineConfig config;
  config.set_artifacts("artifacts");
  config.set_ranks(1);
  config.set_threads_per_rank(1);
  config.set_precision(v1::PRECISION_AUTO);
  config.mutable_worker()->set_device(v1::DEVICE_AUTO);
  config.set_seed(56);
  v1::CorpusConfig& corpus = *config.mutable_corpus();
  corpus.set_lowercase(true);
  corpus.set_max_sequence_tokens(128);
  corpus.set_min_sequence_tokens(12);
  corpus.set_sequences_per_shard(2048);
  corpus.set_heldout_percent(5);
  SetTrainDefaults(config.mutable_train());
  v1::TrainConfig& fit = *config.mutable_teacher()->mutable_fit();
  SetTrainDefaults(&fit);
  fit.set_alpha_ce(0);
  fit.set_alpha_mlm(1);
  fit.set_alpha_cos(0);
  v1::TargetsConfig& targets = *config.mutable_targets();
  targets.set_codec(v1::TARGET_CODEC_HIDDEN_F16);
  targets.set_top_k(64);
  targets.set_temperature(2);
  targets.set_positions(v1::POSITIONS_ALL);
  targets.mutable_mask()->set_seed(56);
  targets.mutable_mask()->set_rate(0.15);
  targets.mutable_mask()->set_smoothing(0.7);
  targets.mutable_mask()->set_variants(1);
  config.mutable_student()->set_from_teacher(true);
  config.mutable_evaluate()->set_latency_runs(20);
  v1::RecoveryConfig& recovery = *config.mutable_recovery();
  recovery.set_mode(v1::RECOVERY_MODE_AUTO);
  recovery.set_hang_seconds(10);
  recovery.set_hang_factor(10);
  recovery.set_orphan_seconds(60);
  recovery.set_same_step_failures(3);
  recovery.set_snapshot_directory("/dev/shm");
  recovery.set_failure_interval_hours(24);
  recovery.set_host_seconds(15);
  return config;
}

Result<v1::PipelineConfig> LoadPipelineConfig(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const SweepDocument document, SweepDocument::Load(path));
  if (document.swept())
    return Error(Code::kInvalidArgument,
                 "a sweep (matrix, variants), not one pipeline: give it to a coordinator with `still submit {}`", path)
        .At({.file = path});
  return ReadVariant(document, 0, path);
}

Result<std::vector<PipelineVariant>> LoadPipelineSweep(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const SweepDocument document, SweepDocument::Load(path));
  std::vector<PipelineVariant> variants;
  std::map<std::string, std::string> name_of;  // the effective configuration -> the variant's name
  for (std::size_t i = 0; i < document.size(); ++i) {
    STILL_ASSIGN_OR_RETURN(v1::PipelineConfig config, ReadVariant(document, i, path));
    const auto [same, fresh] = name_of.emplace(ToYaml(config), document.name(i));
    if (!fresh)
      return Error(Code::kInvalidArgument, "the variants {} and {} are the same configuration: leave one out",
                   same->second, document.name(i))
          .At({.file = path});
    variants.push_back({.name = document.name(i), .config = std::move(config)});
  }
  return variants;
}

Status CheckPipelineConfig(const v1::PipelineConfig& config) {
  Checks check;
  check.That(config.name().find_first_of("/\n") == std::string::npos, "name", "must not hold '/' or a line break");
  check.That(!config.name().starts_with('.') && !config.name().starts_with(' '), "name",
             "must not begin with '.' or a blank");
  check.That(!config.artifacts().empty(), "artifacts", "name the directory that artifacts are kept in");
  check.Within(config.ranks(), 1u, kMostRanks, "ranks");
  check.Within(config.threads_per_rank(), 1u, 1024u, "threads_per_rank");
  check.That(config.precision() != v1::PRECISION_UNSPECIFIED, "precision", "set it to auto, bf16 or fp32");
  check.That(config.worker().device() != v1::DEVICE_UNSPECIFIED, "worker.device", "set it to auto, cpu or cuda");
  CheckCorpus(config.corpus(), &check);
  check.That(!config.teacher().path().empty(), "teacher.path", "name the Hugging Face directory of a BERT model");
  const v1::TrainConfig& fit = config.teacher().fit();
  CheckTrain(fit, "teacher.fit", config.corpus().max_sequence_tokens(), &check);
  check.That(fit.alpha_ce() == 0 && fit.alpha_cos() == 0, "teacher.fit",
             "a teacher is fitted by masked language modelling alone: set its alpha_ce and alpha_cos to 0");
  CheckTargets(config.targets(), config.train(), &check);
  check.Within(config.student().layers(), 0u, 1024u, "student.layers");
  CheckTrain(config.train(), "train", config.corpus().max_sequence_tokens(), &check);
  check.Within(config.evaluate().latency_runs(), 1u, 1'000'000u, "evaluate.latency_runs");
  CheckRecovery(config.recovery(), &check);
  CheckTimeLimits(config.time_limit_minutes(), &check);
  return check.status();
}

}  // namespace still
