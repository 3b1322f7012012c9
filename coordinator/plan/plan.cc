#include "coordinator/plan/plan.h"

#include <fmt/ranges.h>

#include <utility>

#include "cluster/mpirun_command.h"
#include "common/counted_text.h"
#include "common/device_plugin.h"
#include "common/proto/config.pb.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_inputs.h"

namespace still::coordinator {
namespace {

using v1::PipelineConfig;
using v1::TrainConfig;

// Rises with every intended change of the bits that a stage produces. Results of older binaries then have other
// digests.
constexpr std::uint64_t kNumericsVersion = 1;

IdentityBuilder Identity(v1::Stage stage) { return IdentityBuilder(ArtifactKind(stage)); }

// Adds what every tensor computation depends on.
void AddNumerics(const PipelineConfig& config, IdentityBuilder* identity) {
  identity->Add("numerics", kNumericsVersion);
  identity->Add("precision", config.precision() == v1::PRECISION_BF16 ? "bf16" : "fp32");
  identity->Add("threads_per_rank", std::uint64_t{config.threads_per_rank()});
}

void AddMask(const v1::MaskConfig& mask, IdentityBuilder* identity) {
  identity->Add("mask.seed", std::uint64_t{mask.seed()}).Add("mask.rate", mask.rate());
  identity->Add("mask.smoothing", mask.smoothing());
}

// Adds the device that trains. The CPU is left out, so that older results keep their digests.
void AddDevice(const PipelineConfig& config, IdentityBuilder* identity) {
  if (config.worker().device() != v1::DEVICE_CPU) identity->Add("device", EnumWord(config.worker().device()));
}

// Adds the training options. Checkpoint options are left out, because they do not change the result. The exact
// reduction is left out, because only the fast one gives other bits.
void AddTraining(const TrainConfig& train, IdentityBuilder* identity) {
  identity->Add("epochs", std::uint64_t{train.epochs()}).Add("max_steps", std::uint64_t{train.max_steps()});
  identity->Add("sequences_per_step", std::uint64_t{train.sequences_per_step()});
  identity->Add("microbatch_tokens", std::uint64_t{train.microbatch_tokens()});
  identity->Add("learning_rate", train.learning_rate()).Add("warmup_percent", train.warmup_percent());
  identity->Add("beta1", train.beta1()).Add("beta2", train.beta2()).Add("epsilon", train.epsilon());
  identity->Add("weight_decay", train.weight_decay()).Add("clip_norm", train.clip_norm());
  identity->Add("dropout", train.dropout()).Add("attention_dropout", train.attention_dropout());
  if (train.reduction() == v1::REDUCTION_FAST) identity->Add("reduction", "fast");
}

void AddLoss(const TrainConfig& train, IdentityBuilder* identity) {
  identity->Add("alpha_ce", train.alpha_ce()).Add("alpha_mlm", train.alpha_mlm()).Add("alpha_cos", train.alpha_cos());
  identity->Add("temperature", train.temperature());
}

IdentityBuilder TeacherIdentity(const PipelineConfig& config, const TeacherFacts& teacher, const std::string& corpus) {
  IdentityBuilder identity = Identity(v1::STAGE_TEACHER);
  identity.Add("config", teacher.config_sha256).Add("model", teacher.model_sha256).Add("vocab", teacher.vocab_sha256);
  if (teacher.has_head) return identity.Add("head", "checkpoint").Add("numerics", kNumericsVersion);
  identity.Add("head", "fitted").Add("corpus", corpus).Add("seed", std::uint64_t{config.seed()});
  AddMask(config.targets().mask(), &identity);  // the fit draws one variant per epoch, whatever the targets have
  identity.Add("alpha_mlm", config.teacher().fit().alpha_mlm());
  AddTraining(config.teacher().fit(), &identity);
  AddNumerics(config, &identity);
  AddDevice(config, &identity);
  return identity;
}

IdentityBuilder TargetsIdentity(const PipelineConfig& config, const std::string& corpus, const std::string& teacher) {
  const v1::TargetsConfig& targets = config.targets();
  IdentityBuilder identity = Identity(v1::STAGE_TARGETS);
  identity.Add("corpus", corpus).Add("teacher", teacher);
  if (targets.codec() == v1::TARGET_CODEC_TOPK) {
    identity.Add("codec", "topk")
        .Add("top_k", std::uint64_t{targets.top_k()})
        .Add("temperature", targets.temperature());
  } else {
    identity.Add("codec", "hidden_f16");
  }
  identity.Add("positions", targets.positions() == v1::POSITIONS_ALL ? "all" : "masked");
  AddMask(targets.mask(), &identity);
  identity.Add("mask.variants", std::uint64_t{targets.mask().variants()});
  AddNumerics(config, &identity);
  return identity;
}

IdentityBuilder StudentIdentity(const PipelineConfig& config, const std::string& corpus, const std::string& teacher,
                                const std::string& targets) {
  IdentityBuilder identity = Identity(v1::STAGE_TRAIN);
  identity.Add("corpus", corpus).Add("teacher", teacher).Add("targets", targets);
  identity.Add("layers", std::uint64_t{config.student().layers()});
  identity.Add("initialised_from", config.student().from_teacher() ? "teacher" : "random");
  identity.Add("seed", std::uint64_t{config.seed()});
  AddLoss(config.train(), &identity);
  AddTraining(config.train(), &identity);
  AddNumerics(config, &identity);
  AddDevice(config, &identity);
  return identity;
}

// Threads are left out. A report's times depend on the machine anyway, and threads change only the last digits of its
// losses.
IdentityBuilder ReportIdentity(const PipelineConfig& config, const std::string& corpus, const std::string& teacher,
                               const std::string& student) {
  IdentityBuilder identity = Identity(v1::STAGE_EVALUATE);
  identity.Add("corpus", corpus).Add("teacher", teacher).Add("student", student);
  identity.Add("max_sequences", std::uint64_t{config.evaluate().max_sequences()});
  identity.Add("latency_runs", std::uint64_t{config.evaluate().latency_runs()});
  return identity.Add("numerics", kNumericsVersion);
}

IdentityBuilder ExportIdentity(const std::string& student) {
  return Identity(v1::STAGE_EXPORT).Add("student", student).Add("numerics", kNumericsVersion);
}

std::string TrainingText(const TrainConfig& train) {
  const std::string length =
      train.max_steps() > 0 ? Counted(train.max_steps(), "step") : Counted(train.epochs(), "epoch");
  return fmt::format("{} of {} sequences", length, train.sequences_per_step());
}

std::string DescriptionOf(v1::Stage stage, const PipelineConfig& config, const TeacherFacts& teacher) {
  switch (stage) {
    case v1::STAGE_CORPUS:
      return fmt::format("{} and {} -> sequences of up to {} tokens",
                         Counted(static_cast<std::uint64_t>(config.corpus().wikipedia_size()), "Wikipedia dump"),
                         Counted(static_cast<std::uint64_t>(config.corpus().books_size()), "book path"),
                         config.corpus().max_sequence_tokens());
    case v1::STAGE_TEACHER:
      if (teacher.has_head) return "import the checkpoint with its masked-LM head";
      return fmt::format("fit a masked-LM head: {}", TrainingText(config.teacher().fit()));
    case v1::STAGE_TARGETS:
      return fmt::format("{} at {} positions, {}",
                         config.targets().codec() == v1::TARGET_CODEC_TOPK ? "topk" : "hidden_f16",
                         config.targets().positions() == v1::POSITIONS_ALL ? "all" : "masked",
                         Counted(config.targets().mask().variants(), "mask variant"));
    case v1::STAGE_TRAIN:
      return fmt::format("{} of {} layers, {}", config.student().layers(), teacher.layers,
                         TrainingText(config.train()));
    case v1::STAGE_EVALUATE: return "teacher and student on held-out text";
    case v1::STAGE_EXPORT: return "Hugging Face DistilBertForMaskedLM directory";
    default: return "";
  }
}

}  // namespace

Result<v1::Stage> StageNamed(std::string_view name) {
  const std::optional<v1::Stage> stage = EnumNamed<v1::Stage>(name);
  if (stage) return *stage;
  return Error(Code::kInvalidArgument, "No such stage: '{}'. The stages are {}", name, JoinedWords<v1::Stage>());
}

Status CheckInputsExist(const PipelineConfig& config) {
  std::vector<std::string> missing;
  bool of_demo = false;
  const auto check = [&](std::string_view key, const std::string& path) {
    if (path.empty() || Exists(path)) return;
    missing.push_back(fmt::format("{} {}", key, path));
    if (path.find("out/data/") != std::string::npos) of_demo = true;
  };
  check("teacher.path", config.teacher().path());
  for (const std::string& path : config.corpus().wikipedia()) check("corpus.wikipedia", path);
  for (const std::string& path : config.corpus().books()) check("corpus.books", path);
  check("corpus.vocab", config.corpus().vocab());
  if (missing.empty()) return Ok();
  return Error(Code::kNotFound, "there is no {}: {}", fmt::join(missing, ", no "),
               of_demo ? "scripts/fetch_demo_data.sh brings the demo's input" : "check the paths in the configuration");
}

Status ResolveRecovery(bool mpi_has_ulfm, v1::RecoveryConfig* recovery) {
  if (recovery->mode() == v1::RECOVERY_MODE_INPLACE && !mpi_has_ulfm) {
    return Error(Code::kInvalidArgument,
                 "recovery.mode is inplace, but the MPI that the worker was built with has no ULFM; build against Open "
                 "MPI 5 or set it to relaunch or auto");
  }
  if (recovery->mode() == v1::RECOVERY_MODE_AUTO || recovery->mode() == v1::RECOVERY_MODE_UNSPECIFIED) {
    recovery->set_mode(mpi_has_ulfm ? v1::RECOVERY_MODE_INPLACE : v1::RECOVERY_MODE_RELAUNCH);
  }
  return Ok();
}

// A worker must never choose by itself: a host with a broken driver would silently train on the CPU, to other bits.
Status ResolveDevice(v1::WorkerConfig* worker) {
  if (worker->device() == v1::DEVICE_AUTO || worker->device() == v1::DEVICE_UNSPECIFIED)
    worker->set_device(HasDevicePlugin(v1::DEVICE_CUDA) ? v1::DEVICE_CUDA : v1::DEVICE_CPU);
  if (HasDevicePlugin(worker->device())) return Ok();
  return Error(Code::kInvalidArgument,
               "worker.device is {}, but this installation cannot compute on it: there is no {}; set it to cpu or auto",
               EnumWord(worker->device()), DevicePluginPath(worker->device()));
}

Status ResolveConfig(const TeacherFacts& teacher, bool cpu_has_bf16, PipelineConfig* config) {
  STILL_RETURN_IF_ERROR(ResolveRecovery(cluster::MpiHasUlfm(), config->mutable_recovery()));
  STILL_RETURN_IF_ERROR(ResolveDevice(config->mutable_worker()));
  if (config->precision() == v1::PRECISION_AUTO || config->precision() == v1::PRECISION_UNSPECIFIED) {
    config->set_precision(cpu_has_bf16 ? v1::PRECISION_BF16 : v1::PRECISION_FP32);
  }
  if (config->student().layers() == 0) config->mutable_student()->set_layers((teacher.layers + 1) / 2);
  if (config->student().layers() > teacher.layers) {
    return Error(Code::kInvalidArgument, "student.layers is {}, but the teacher {} has only {}",
                 config->student().layers(), config->teacher().path(), teacher.layers);
  }
  if (config->corpus().max_sequence_tokens() > teacher.max_positions) {
    return Error(Code::kInvalidArgument,
                 "corpus.max_sequence_tokens is {}, but the teacher {} takes at most {} (max_position_embeddings)",
                 config->corpus().max_sequence_tokens(), config->teacher().path(), teacher.max_positions);
  }
  const std::string teacher_vocab = JoinPath(config->teacher().path(), "vocab.txt");
  if (config->corpus().vocab().empty()) config->mutable_corpus()->set_vocab(teacher_vocab);
  if (config->corpus().vocab() != teacher_vocab) {
    STILL_ASSIGN_OR_RETURN(const Sha256Digest vocab, Sha256OfFile(config->corpus().vocab()));
    if (Hex(vocab) != teacher.vocab_sha256) {
      return Error(Code::kInvalidArgument,
                   "corpus.vocab {} differs from the teacher's {}: token ids would not mean the same; leave it out",
                   config->corpus().vocab(), teacher_vocab);
    }
  }
  return Ok();
}

Plan MakePlan(const PipelineConfig& config, const TeacherFacts& teacher, const IdentityBuilder& corpus_identity) {
  Plan plan;
  std::size_t next = 0;
  const auto add = [&](v1::Stage stage, const IdentityBuilder& identity, std::vector<v1::Stage> inputs) {
    plan[next++] = {.stage = stage,
                    .digest = identity.Digest(),
                    .identity = identity.text(),
                    .inputs = std::move(inputs),
                    .description = DescriptionOf(stage, config, teacher)};
    return identity.Digest();
  };
  using Inputs = std::vector<v1::Stage>;
  const std::string corpus = add(v1::STAGE_CORPUS, corpus_identity, {});
  const std::string teacher_digest = add(v1::STAGE_TEACHER, TeacherIdentity(config, teacher, corpus),
                                         teacher.has_head ? Inputs{} : Inputs{v1::STAGE_CORPUS});
  const std::string targets =
      add(v1::STAGE_TARGETS, TargetsIdentity(config, corpus, teacher_digest), {v1::STAGE_CORPUS, v1::STAGE_TEACHER});
  const std::string student = add(v1::STAGE_TRAIN, StudentIdentity(config, corpus, teacher_digest, targets),
                                  {v1::STAGE_CORPUS, v1::STAGE_TEACHER, v1::STAGE_TARGETS});
  add(v1::STAGE_EVALUATE, ReportIdentity(config, corpus, teacher_digest, student),
      {v1::STAGE_CORPUS, v1::STAGE_TEACHER, v1::STAGE_TRAIN});
  add(v1::STAGE_EXPORT, ExportIdentity(student), {v1::STAGE_TRAIN});
  return plan;
}

bool HasBf16(std::string_view cpuinfo) {
  const std::size_t begin = cpuinfo.find("\nflags");
  if (begin == std::string_view::npos) return false;
  const std::string_view flags = cpuinfo.substr(begin, cpuinfo.find('\n', begin + 1) - begin);
  return flags.find(" avx512_bf16") != std::string_view::npos || flags.find(" amx_bf16") != std::string_view::npos;
}

bool ThisCpuHasBf16() {
  const Result<std::string> cpuinfo = ReadFile("/proc/cpuinfo");
  return cpuinfo.ok() && HasBf16(*cpuinfo);
}

void LookUpArtifacts(const std::string& root, Plan* plan) {
  const ArtifactStore artifacts(root);
  for (StagePlan& stage : *plan) stage.exists = artifacts.Has(ArtifactKind(stage.stage), stage.digest);
}

Result<Plan> PlanPipeline(PipelineConfig* config) {
  STILL_RETURN_IF_ERROR(CheckInputsExist(*config));
  STILL_ASSIGN_OR_RETURN(const TeacherFacts teacher, InspectTeacher(config->teacher().path()));
  STILL_RETURN_IF_ERROR(ResolveConfig(teacher, ThisCpuHasBf16(), config));
  STILL_ASSIGN_OR_RETURN(const shards::CorpusInputs corpus, shards::ReadCorpusInputs(config->corpus()));
  Plan plan = MakePlan(*config, teacher, corpus.identity);
  LookUpArtifacts(config->artifacts(), &plan);
  return plan;
}

}  // namespace still::coordinator
