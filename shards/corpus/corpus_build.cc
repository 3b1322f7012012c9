#include "shards/corpus/corpus_build.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/check.h"
#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/shard_plan.h"
#include "shards/corpus/shard_reader.h"
#include "shards/corpus/shard_writer.h"
#include "shards/corpus/split_file.h"
#include "shards/corpus/tokenise.h"
#include "shards/text/wordpiece.h"

namespace still::shards {
namespace {

constexpr const char* kPlanName = "shard-plan";

// Checks that the shards of `directory` are the listed ones. NOT_FOUND when one was set aside during the commit: it is
// missing, or another one stands in its place.
Status CheckShards(const std::string& directory, const CorpusManifest& manifest) {
  for (const auto& listed : manifest.shards) {
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(directory, listed.name)));
    if (Hex(shard->sha256()) != listed.sha256) {
      return Error(Code::kNotFound, "{} was set aside during the commit, and another one is there", shard->path());
    }
  }
  return Ok();
}

Status WriteNew(AtomicFile& file, std::string_view bytes) {
  STILL_RETURN_IF_ERROR(file.Append(bytes));
  return file.Commit();
}

// Returns the name of a task in messages. For the first two passes it is also the name of the file that the task makes.
std::string NameOf(CorpusPass pass, std::uint32_t task) {
  switch (pass) {
    case CorpusPass::kTokenise: return fmt::format("split-{:05}", task);
    case CorpusPass::kPlan: return kPlanName;
    case CorpusPass::kCopy: break;
  }
  return fmt::format("shard {}", task);
}

ShardInfo InfoOf(const ShardPlan& plan, std::uint32_t task, const std::string& corpus, const Tokenizer& tokenizer) {
  const bool train = task < plan.train_shards();
  return {.corpus_fingerprint = corpus,
          .tokenizer_fingerprint = tokenizer.fingerprint(),
          .shard = train ? task : task - plan.train_shards(),
          .split = train ? Split::kTrain : Split::kHeldout,
          .vocabulary_size = tokenizer.vocabulary_size(),
          .special = tokenizer.special_tokens()};
}

}  // namespace

CorpusBuild::CorpusBuild(const v1::CorpusConfig& config, const CorpusInputs& inputs, const ArtifactStore& artifacts)
    : config_(config),
      identity_(inputs.identity.text()),
      digest_(inputs.identity.Digest()),
      builder_(artifacts, "corpus", digest_),
      splits_path_(builder_.PathBeside("splits")),
      tokenizer_(inputs.tokenizer) {}

Result<CorpusBuild> CorpusBuild::Open(const v1::CorpusConfig& config, const CorpusInputs& inputs,
                                      const ArtifactStore& artifacts, const SplitBytes& split_bytes) {
  STILL_RETURN_IF_ERROR(CheckCorpusConfig(config));
  CorpusBuild build(config, inputs, artifacts);
  STILL_ASSIGN_OR_RETURN(build.input_, CutInput(config, split_bytes));
  for (const InputSplit& split : build.input_) build.input_bytes_ += split.input_bytes;
  if (!build.Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(build.splits_path_));
  STILL_RETURN_IF_ERROR(RemoveRemains(artifacts, build.digest_));
  STILL_RETURN_IF_ERROR(build.builder_.RemoveLeftovers());
  return build;
}

Status CorpusBuild::RemoveRemains(const ArtifactStore& artifacts, const std::string& digest) {
  const ShardedBuilder builder(artifacts, "corpus", digest);
  if (!builder.Committed()) return Ok();
  STILL_RETURN_IF_ERROR(builder.RemoveBuildings());
  return UnlessMissing(RemoveAll(builder.PathBeside("splits")));
}

Result<std::uint32_t> CorpusBuild::Tasks(CorpusPass pass) const {
  switch (pass) {
    case CorpusPass::kTokenise: return static_cast<std::uint32_t>(input_.size());
    case CorpusPass::kPlan: return 1;
    case CorpusPass::kCopy: break;
  }
  const auto plan = OpenPlan();
  if (plan.ok()) return static_cast<std::uint32_t>((*plan)->shards().size());
  if (plan.status().code() != Code::kNotFound) return plan.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(builder_.final_path()));
  return static_cast<std::uint32_t>(manifest.shards.size());
}

std::uint64_t CorpusBuild::InputBytes(CorpusPass pass, std::uint32_t task) const {
  return pass == CorpusPass::kTokenise ? input_.at(task).input_bytes : 0;
}

// The shards of a plan stand in its building directory. Once the plan is removed, the artifact alone names them.
Result<ShardPlace> CorpusBuild::PlaceOf(CorpusPass pass, std::uint32_t task) const {
  if (pass != CorpusPass::kCopy) return builder_.PlaceOf(splits_path_, NameOf(pass, task));
  const auto plan = OpenPlan();
  if (plan.ok()) {
    STILL_CHECK(task < (*plan)->shards().size(), fmt::format("shard {} of {}", task, (*plan)->shards().size()));
    const ShardInfo info = InfoOf(**plan, task, digest_, *tokenizer_);
    return builder_.PlaceOf(BuildingPath(**plan), ShardName(info.split, info.shard));
  }
  if (plan.status().code() != Code::kNotFound) return plan.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(builder_.final_path()));
  STILL_CHECK(task < manifest.shards.size(), fmt::format("shard {} of {}", task, manifest.shards.size()));
  return builder_.PlaceOf(builder_.final_path(), manifest.shards[task].name);
}

std::string CorpusBuild::BuildingPath(const ShardPlan& plan) const {
  return builder_.BuildingPath(plan.digest().substr(0, 16));
}

Result<std::string> CorpusBuild::MadeDigest(CorpusPass pass, std::uint32_t task) const {
  STILL_ASSIGN_OR_RETURN(const ShardPlace place, PlaceOf(pass, task));
  if (pass == CorpusPass::kCopy) {
    STILL_ASSIGN_OR_RETURN(const auto shard, OpenStanding(place, ShardReader::Open));
    return Hex(shard->sha256());
  }
  const SealedFormat& format = pass == CorpusPass::kPlan ? shard_plan_format::kFormat : split_format::kFormat;
  STILL_ASSIGN_OR_RETURN(const SealedFile file, SealedFile::Open(place.path, format, /*header_bytes=*/0));
  return Hex(file.sha256());
}

Result<std::string> CorpusBuild::Make(CorpusPass pass, std::uint32_t task, const OnProgress& on_progress,
                                      std::string* computed) {
  computed->clear();
  // An artifact that was taken apart has no directory of splits.
  if (!Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(splits_path_));
  Status made;
  switch (pass) {
    case CorpusPass::kTokenise: made = MakeSplit(task, on_progress, computed); break;
    case CorpusPass::kPlan: made = MakePlan(on_progress, computed); break;
    case CorpusPass::kCopy: made = MakeShard(task, on_progress, computed); break;
  }
  if (made.ok()) {
    if (pass == CorpusPass::kCopy) STILL_RETURN_IF_ERROR(FaultPoint("corpus.shard"));
    return *computed;
  }
  Result<std::string> first =
      computed->empty() ? made
                        : CompareWithStanding(fmt::format("corpus {}: {}", builder_.final_path(), NameOf(pass, task)),
                                              made, *computed, MadeDigest(pass, task));
  if (first.status().code() == Code::kNotFound && Committed()) {
    return Error(Code::kAlreadyExists, "corpus {}: another process committed it meanwhile", builder_.final_path());
  }
  return first;
}

MadeFor CorpusBuild::MadeForOf(std::uint32_t split) const {
  const InputSplit& input = input_.at(split);
  return {.corpus = digest_, .split = split, .input_begin = input.input_begin, .input_bytes = input.input_bytes};
}

// Creates the temporary file first, so that a full or forbidden directory fails before the work is done.
Result<std::unique_ptr<AtomicFile>> CorpusBuild::CreateFile(CorpusPass pass, std::uint32_t task) const {
  STILL_ASSIGN_OR_RETURN(const ShardPlace place, PlaceOf(pass, task));
  return AtomicFile::CreateNew(place.path, place.staged_as);
}

Status CorpusBuild::MakeSplit(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto file, CreateFile(CorpusPass::kTokenise, task));
  SplitBuilder split;
  STILL_RETURN_IF_ERROR(TokeniseSplit(input_.at(task), *tokenizer_, on_progress, &split));
  if (FaultFlips("corpus.result")) split.FlipLowestBit();
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.split"));
  return WriteNew(*file, split.Image(MadeForOf(task), computed));
}

Status CorpusBuild::MakePlan(const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto file, CreateFile(CorpusPass::kPlan, 0));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.plan"));
  STILL_ASSIGN_OR_RETURN(const std::string image,
                         MakeShardPlan(
                             config_, digest_, input_, [this](std::uint32_t split) { return OpenSplit(split); },
                             [&] { return on_progress({}); }, computed));
  return WriteNew(*file, image);
}

Status CorpusBuild::MakeShard(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto plan, OpenPlan());
  const ShardInfo info = InfoOf(*plan, task, digest_, *tokenizer_);
  const std::string building = BuildingPath(*plan);
  const ShardPlace place = builder_.PlaceOf(building, ShardName(info.split, info.shard));
  STILL_RETURN_IF_ERROR(MakeDirectories(building));
  STILL_ASSIGN_OR_RETURN(const auto shard, ShardWriter::Create(place, info));
  STILL_RETURN_IF_ERROR(CopySequences(*plan, task, on_progress, shard.get()));
  const Status committed = shard->Commit().status();
  *computed = Hex(shard->digest());
  return committed;
}

Status CorpusBuild::CopySequences(const ShardPlan& plan, std::uint32_t task, const OnProgress& on_progress,
                                  ShardWriter* shard) const {
  std::vector<TokenId> sequence;
  const SequenceCut cut{config_.max_sequence_tokens(), config_.min_sequence_tokens()};
  const SpecialTokens& special = tokenizer_->special_tokens();
  for (const shard_plan_format::Extent& extent : plan.ExtentsOf(task)) {
    STILL_RETURN_IF_ERROR(on_progress({}));
    const shard_plan_format::SplitEntry& planned = plan.splits()[extent.split];
    STILL_ASSIGN_OR_RETURN(const auto split, OpenPlannedSplit(extent.split, planned.sha256));
    STILL_ASSIGN_OR_RETURN(const TokenSpan tokens, split->Tokens());
    const split_format::Document& document = split->documents()[extent.document];
    STILL_RETURN_IF_ERROR(shard->BeginDocument({.source = std::string(split->SourceOf(document)),
                                                .byte_offset = planned.text_begin + document.byte_offset,
                                                .page_id = document.page_id,
                                                .sha1 = document.sha1}));
    const TokenSpan text = tokens.subspan(document.first_token, document.tokens);
    for (std::uint64_t i = extent.first_sequence; i < extent.first_sequence + std::uint64_t{extent.sequences}; ++i) {
      const std::uint64_t at = i * cut.tokens_each();
      const TokenSpan content = text.subspan(at, std::min(cut.tokens_each(), text.size() - at));
      sequence.assign(1, special.classify);
      sequence.insert(sequence.end(), content.begin(), content.end());
      sequence.push_back(special.separator);
      STILL_RETURN_IF_ERROR(shard->AddSequence(sequence));
    }
  }
  return Ok();
}

Result<std::unique_ptr<SplitFile>> CorpusBuild::OpenSplit(std::uint32_t split) const {
  return SplitFile::Open(JoinPath(splits_path_, NameOf(CorpusPass::kTokenise, split)), MadeForOf(split));
}

// Consecutive shards are copied from the same split, so the last one is kept and checked once.
Result<std::shared_ptr<SplitFile>> CorpusBuild::OpenPlannedSplit(std::uint32_t split,
                                                                 const Sha256Digest& sha256) const {
  if (split_ == nullptr || split_->header().split != split || split_->sha256() != sha256) {
    STILL_ASSIGN_OR_RETURN(auto opened, OpenSplit(split));
    STILL_RETURN_IF_ERROR(opened->Tokens().status());
    split_ = std::move(opened);
  }
  if (split_->sha256() == sha256) return split_;
  return Error(Code::kDataLoss,
               "corpus {}: input split {} is not the one that the shard plan lists; remove {} and run "
               "again",
               builder_.final_path(), split, splits_path_);
}

// Another process may have set the plan aside and made another one, so the digest on disk is compared every time.
Result<std::shared_ptr<const ShardPlan>> CorpusBuild::OpenPlan() const {
  STILL_ASSIGN_OR_RETURN(const std::string digest, MadeDigest(CorpusPass::kPlan, 0));
  if (plan_ != nullptr && plan_->digest() == digest) return plan_;
  STILL_ASSIGN_OR_RETURN(plan_, ShardPlan::Open(JoinPath(splits_path_, kPlanName), digest_));
  return plan_;
}

// A commit may be under way: it moves shards from the building directory to the artifact. So the artifact is looked for
// before and after the result is set aside in the building directory.
Status CorpusBuild::Quarantine(CorpusPass pass, std::uint32_t task) const {
  const auto place = PlaceOf(pass, task);
  if (place.status().code() == Code::kNotFound) return Ok();  // without a plan there are no shards
  STILL_RETURN_IF_ERROR(place.status());
  STILL_RETURN_IF_ERROR(TakeApart(*place));
  if (pass == CorpusPass::kTokenise) {
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(splits_path_, kPlanName))));
  }
  if (place->path != place->committed_path) STILL_RETURN_IF_ERROR(builder_.SetAside(*place));
  if (pass != CorpusPass::kCopy) STILL_RETURN_IF_ERROR(builder_.RemoveBuildings());
  return TakeApart(*place);
}

// Sets a committed shard aside and removes the rest of the artifact, which is made anew. The rest cannot be kept: the
// artifact does not say which plan its shards were copied by.
Status CorpusBuild::TakeApart(const ShardPlace& place) const {
  if (!Committed()) return Ok();
  const std::string disputed = builder_.BuildingPath("disputed");
  STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(disputed)));
  STILL_RETURN_IF_ERROR(builder_.Reopen(disputed));
  STILL_RETURN_IF_ERROR(builder_.SetAside(builder_.PlaceOf(disputed, place.name)));
  return UnlessMissing(RemoveAll(disputed));
}

Status CorpusBuild::Commit(Summary summary) const {
  STILL_RETURN_IF_ERROR(builder_.Commit([&] { return CommitBuilding(std::move(summary)); }));
  // A slower process may still write to these. What it leaves is removed when the corpus is opened again.
  static_cast<void>(RemoveAll(splits_path_));
  static_cast<void>(builder_.RemoveBuildings());
  return Ok();
}

Status CorpusBuild::CommitBuilding(Summary summary) const {
  STILL_ASSIGN_OR_RETURN(const auto plan, OpenPlan());
  const std::string building = BuildingPath(*plan);
  CorpusManifest manifest;
  for (std::uint32_t task = 0; task < plan->shards().size(); ++task) {
    const ShardInfo info = InfoOf(*plan, task, digest_, *tokenizer_);
    const std::string name = ShardName(info.split, info.shard);
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(building, name)));
    if (shard->info().corpus_fingerprint != digest_ || shard->info().split != info.split ||
        shard->info().shard != info.shard || shard->sequences() != plan->shards()[task].sequences) {
      return Error(Code::kDataLoss, "corpus {}: not the shard of its plan; remove {} and run again", shard->path(),
                   building);
    }
    manifest.shards.push_back(
        {.name = name, .split = info.split, .sequences = shard->sequences(), .sha256 = Hex(shard->sha256())});
  }
  for (const auto& [count, value] : CorpusSummary(plan->counts())) summary[count] = value;
  summary["duplicates"] = static_cast<double>(plan->duplicates());
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building, "vocab.txt"), tokenizer_->vocabulary()));
  STILL_RETURN_IF_ERROR(WriteCorpusManifest(building, manifest));
  STILL_RETURN_IF_ERROR(ShardedBuilder::Describe(building, identity_, summary));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.commit"));
  STILL_RETURN_IF_ERROR(builder_.Publish(building));
  Status whole = CheckShards(builder_.final_path(), manifest);
  if (whole.code() == Code::kNotFound && Committed()) {
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(building)));
    STILL_RETURN_IF_ERROR(builder_.Reopen(building));
  }
  return whole;
}

}  // namespace still::shards
