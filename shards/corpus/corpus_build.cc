#include "shards/corpus/corpus_build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/check.h"
#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/shard_plan.h"
#include "shards/corpus/shard_reader.h"
#include "shards/corpus/shard_writer.h"
#include "shards/corpus/split_file.h"
#include "shards/corpus/tokenise.h"
#include "shards/text/wordpiece.h"

namespace still::shards {
namespace {

// One a plan, and one that was an artifact.
Result<std::vector<std::string>> Buildings(const std::string& final_path) {
  const std::filesystem::path path(final_path);
  STILL_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(path.parent_path()));
  std::erase_if(names, [prefix = path.filename().string() + "."](const std::string& name) {
    return !name.starts_with(prefix) || !name.ends_with(".building");
  });
  for (std::string& name : names) name = JoinPath(path.parent_path().string(), name);
  return names;
}

Status RemoveBuildings(const std::string& final_path) {
  STILL_ASSIGN_OR_RETURN(const auto paths, Buildings(final_path));
  for (const std::string& path : paths) STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(path)));
  return Ok();
}

// As they are listed: one that was set aside during the commit is not there, or another one by now.
Status CheckShards(const std::string& directory, const CorpusManifest& manifest) {
  for (const auto& listed : manifest.shards) {
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(directory, listed.name)));
    if (Hex(shard->sha256()) != listed.sha256) {
      return Error(Code::kNotFound, "{} was set aside, and another one is there", shard->path());
    }
  }
  return Ok();
}

Status WriteNew(AtomicFile& file, std::string_view bytes) {
  STILL_RETURN_IF_ERROR(file.Append(bytes));
  return file.Commit();
}

// Of a task, as it is called in messages, and of the file that those of the first two passes make.
std::string NameOf(CorpusPass pass, std::uint32_t task) {
  switch (pass) {
    case CorpusPass::kTokenise: return fmt::format("split-{:05}", task);
    case CorpusPass::kPlan: return "shard-plan";
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

Result<CorpusBuild> CorpusBuild::Open(const CorpusOptions& options, const CorpusInputs& inputs,
                                      const ArtifactStore& artifacts, const SplitBytes& split_bytes) {
  STILL_RETURN_IF_ERROR(CheckCorpusOptions(options));
  CorpusBuild build;
  build.options_ = options;
  build.identity_ = inputs.identity.text();
  build.digest_ = inputs.identity.Digest();
  build.tokenizer_ = inputs.tokenizer;
  build.final_path_ = artifacts.PathOf("corpus", build.digest_);
  build.splits_path_ = build.final_path_ + ".splits";
  STILL_ASSIGN_OR_RETURN(build.input_, CutInput(options, split_bytes));
  for (const InputSplit& split : build.input_) build.input_bytes_ += split.input_bytes;
  if (!build.Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(build.splits_path_));
  STILL_RETURN_IF_ERROR(RemoveRemains(artifacts, build.digest_));
  STILL_RETURN_IF_ERROR(build.RemoveLeftovers());
  return build;
}

Status CorpusBuild::RemoveRemains(const ArtifactStore& artifacts, const std::string& digest) {
  const std::string final_path = artifacts.PathOf("corpus", digest);
  if (!Exists(final_path)) return Ok();
  STILL_RETURN_IF_ERROR(RemoveBuildings(final_path));
  return UnlessMissing(RemoveAll(final_path + ".splits"));
}

bool CorpusBuild::Committed() const { return Exists(final_path_); }

Status CorpusBuild::RemoveLeftovers() const {
  const std::filesystem::path final_path(final_path_);
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(final_path.parent_path(), final_path.filename().string() + "."));
  STILL_ASSIGN_OR_RETURN(const auto buildings, Buildings(final_path_));
  for (const std::string& path : buildings) {
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveStaleTemporaries(path)));  // of a manifest; it may be the artifact by now
  }
  return Ok();
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
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(final_path_));
  return static_cast<std::uint32_t>(manifest.shards.size());
}

std::uint64_t CorpusBuild::InputBytes(CorpusPass pass, std::uint32_t task) const {
  return pass == CorpusPass::kTokenise ? input_.at(task).input_bytes : 0;
}

Result<CorpusBuild::ShardPlace> CorpusBuild::FindShard(std::uint32_t task) const {
  const auto plan = OpenPlan();
  if (plan.ok()) {
    STILL_CHECK(task < (*plan)->shards().size(), fmt::format("shard {} of {}", task, (*plan)->shards().size()));
    const ShardInfo info = InfoOf(**plan, task, digest_, *tokenizer_);
    return ShardPlace{*plan, ShardName(info.split, info.shard)};
  }
  if (plan.status().code() != Code::kNotFound) return plan.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(final_path_));
  STILL_CHECK(task < manifest.shards.size(), fmt::format("shard {} of {}", task, manifest.shards.size()));
  return ShardPlace{nullptr, manifest.shards[task].name};
}

// Who copies by an old plan copies to where nobody looks.
std::string CorpusBuild::BuildingPath(const ShardPlan& plan) const {
  return StagedAs(plan.digest().substr(0, 16) + ".building");
}

std::string CorpusBuild::StagedAs(const std::string& name) const { return fmt::format("{}.{}", final_path_, name); }

Result<std::string> CorpusBuild::MadeDigest(CorpusPass pass, std::uint32_t task) const {
  if (pass != CorpusPass::kCopy) {
    const SealedFormat& format = pass == CorpusPass::kPlan ? shard_plan_format::kFormat : split_format::kFormat;
    STILL_ASSIGN_OR_RETURN(const SealedFile file,
                           SealedFile::Open(JoinPath(splits_path_, NameOf(pass, task)), format, /*header_bytes=*/0));
    return Hex(file.sha256());
  }
  STILL_ASSIGN_OR_RETURN(const ShardPlace place, FindShard(task));
  // In this order, which is that of the move.
  auto shard = ShardReader::Open(JoinPath(place.plan ? BuildingPath(*place.plan) : final_path_, place.name));
  if (place.plan && shard.status().code() == Code::kNotFound) {
    shard = ShardReader::Open(JoinPath(final_path_, place.name));
  }
  STILL_RETURN_IF_ERROR(shard.status());
  return Hex((*shard)->sha256());
}

Result<std::string> CorpusBuild::Make(CorpusPass pass, std::uint32_t task, const OnProgress& on_progress,
                                      std::string* computed) {
  computed->clear();
  if (!Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(splits_path_));  // an artifact in quarantine has none
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
  // Whatever stopped this one: was another process there first?
  const auto other = computed->empty() ? Result<std::string>(made) : MadeDigest(pass, task);
  if (other.ok() && *other == *computed) return *computed;
  if (other.ok()) {
    return Error(
        Code::kDataLoss,
        "corpus {}: {} was made by another process with digest {}, computed here as {}; the same work gave two "
        "results: suspect memory or disk of one of the hosts, then run again",
        final_path_, NameOf(pass, task), *other, *computed);
  }
  if (other.status().code() != Code::kNotFound) return other.status();
  if (made.code() == Code::kNotFound && Committed()) {
    return Error(Code::kAlreadyExists, "corpus {}: committed by another process meanwhile", final_path_);
  }
  return made;
}

MadeFor CorpusBuild::MadeForOf(std::uint32_t split) const {
  const InputSplit& input = input_.at(split);
  return {.corpus = digest_, .split = split, .input_begin = input.input_begin, .input_bytes = input.input_bytes};
}

Status CorpusBuild::MakeSplit(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  const std::string name = NameOf(CorpusPass::kTokenise, task);
  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::CreateNew(JoinPath(splits_path_, name), StagedAs(name)));
  SplitBuilder split;
  STILL_RETURN_IF_ERROR(TokeniseSplit(input_.at(task), *tokenizer_, on_progress, &split));
  if (FaultFlips("corpus.result")) split.FlipLowestBit();
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.split"));
  return WriteNew(*file, split.Image(MadeForOf(task), computed));
}

Status CorpusBuild::MakePlan(const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto file,
                         AtomicFile::CreateNew(JoinPath(splits_path_, "shard-plan"), StagedAs("shard-plan")));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.plan"));
  STILL_ASSIGN_OR_RETURN(const std::string image,
                         shards::MakeShardPlan(
                             options_, digest_, input_, [this](std::uint32_t split) { return OpenSplit(split); },
                             [&] { return on_progress({}); }, computed));
  return WriteNew(*file, image);
}

Status CorpusBuild::MakeShard(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto plan, OpenPlan());
  const ShardInfo info = InfoOf(*plan, task, digest_, *tokenizer_);
  const std::string name = ShardName(info.split, info.shard);
  const std::string building = BuildingPath(*plan);
  STILL_RETURN_IF_ERROR(MakeDirectories(building));
  STILL_ASSIGN_OR_RETURN(const auto shard, ShardWriter::CreateNew(JoinPath(building, name), StagedAs(name), info));
  STILL_RETURN_IF_ERROR(CopySequences(*plan, task, on_progress, shard.get()));
  const Status committed = shard->Commit().status();
  *computed = Hex(shard->digest());
  return committed;
}

Status CorpusBuild::CopySequences(const ShardPlan& plan, std::uint32_t task, const OnProgress& on_progress,
                                  ShardWriter* shard) const {
  std::vector<TokenId> sequence;
  const SequenceCut cut{options_.max_sequence_tokens, options_.min_sequence_tokens};
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

// One shard after the other is copied from one split, which is checked once.
Result<std::shared_ptr<SplitFile>> CorpusBuild::OpenPlannedSplit(std::uint32_t split,
                                                                 const Sha256Digest& sha256) const {
  if (split_ == nullptr || split_->header().split != split || split_->sha256() != sha256) {
    STILL_ASSIGN_OR_RETURN(auto opened, OpenSplit(split));
    STILL_RETURN_IF_ERROR(opened->Tokens().status());
    split_ = std::move(opened);
  }
  if (split_->sha256() == sha256) return split_;
  return Error(Code::kDataLoss, "corpus {}: split {} is not the one that was planned; remove {} and run again",
               final_path_, split, splits_path_);
}

// Another process may have set the plan aside and made another.
Result<std::shared_ptr<const ShardPlan>> CorpusBuild::OpenPlan() const {
  STILL_ASSIGN_OR_RETURN(const std::string digest, MadeDigest(CorpusPass::kPlan, 0));
  if (plan_ != nullptr && plan_->digest() == digest) return plan_;
  STILL_ASSIGN_OR_RETURN(plan_, ShardPlan::Open(JoinPath(splits_path_, "shard-plan"), digest_));
  return plan_;
}

// Two processes may do this at once, too: whose rename finds nothing has nothing left to do. A commit may be under way:
// an artifact is looked for also when the result is out of its reach.
Status CorpusBuild::Quarantine(CorpusPass pass, std::uint32_t task) const {
  ShardPlace shard;
  if (pass == CorpusPass::kCopy) {
    auto found = FindShard(task);
    if (found.status().code() == Code::kNotFound) return Ok();  // no plan: no shards
    STILL_RETURN_IF_ERROR(found.status());
    shard = *std::move(found);
  }
  const std::string name = pass == CorpusPass::kCopy ? shard.name : NameOf(pass, task);
  STILL_RETURN_IF_ERROR(TakeApart(name));
  const std::string bad = StagedAs(name + ".bad");
  if (pass == CorpusPass::kCopy) {
    if (shard.plan) STILL_RETURN_IF_ERROR(UnlessMissing(Rename(JoinPath(BuildingPath(*shard.plan), name), bad)));
  } else {
    if (pass == CorpusPass::kTokenise) {
      STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(splits_path_, "shard-plan"))));
    }
    STILL_RETURN_IF_ERROR(UnlessMissing(Rename(JoinPath(splits_path_, name), bad)));
    STILL_RETURN_IF_ERROR(RemoveBuildings(final_path_));
  }
  return TakeApart(name);
}

// The rest of it is made anew: it does not say of which plan it is.
Status CorpusBuild::TakeApart(const std::string& name) const {
  if (!Committed()) return Ok();
  const std::string aside = StagedAs("disputed.building");
  STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(aside)));
  STILL_RETURN_IF_ERROR(UnlessMissing(Rename(final_path_, aside)));
  STILL_RETURN_IF_ERROR(UnlessMissing(Rename(JoinPath(aside, name), StagedAs(name + ".bad"))));
  return UnlessMissing(RemoveAll(aside));
}

// One that is overtaken by another process may fail anywhere, and has nothing left to do.
Status CorpusBuild::Commit(Summary summary) const {
  Status committed = Committed() ? Ok() : CommitBuilding(std::move(summary));
  if (!Committed()) return committed;
  // What a slower process still puts there goes when the corpus is opened again.
  static_cast<void>(RemoveAll(splits_path_));
  static_cast<void>(RemoveBuildings(final_path_));      // of other plans
  static_cast<void>(RemoveTemporariesIn(final_path_));  // of others who committed, of whom some died: they moved, too
  return Ok();
}

Status CorpusBuild::CommitBuilding(Summary summary) const {
  STILL_RETURN_IF_ERROR(RemoveLeftovers());
  STILL_ASSIGN_OR_RETURN(const auto plan, OpenPlan());
  const std::string building = BuildingPath(*plan);
  CorpusManifest manifest;
  for (std::uint32_t task = 0; task < plan->shards().size(); ++task) {
    const ShardInfo info = InfoOf(*plan, task, digest_, *tokenizer_);
    const std::string name = ShardName(info.split, info.shard);
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(building, name)));
    if (shard->info().corpus_fingerprint != digest_ || shard->info().split != info.split ||
        shard->info().shard != info.shard || shard->sequences() != plan->shards()[task].sequences) {
      return Error(Code::kDataLoss, "corpus {}: not the shard that was planned; remove {} and run again", shard->path(),
                   building);
    }
    manifest.shards.push_back(
        {.name = name, .split = info.split, .sequences = shard->sequences(), .sha256 = Hex(shard->sha256())});
  }
  for (const auto& [count, value] : CorpusSummary(plan->counts())) summary[count] = value;
  summary["duplicates"] = static_cast<double>(plan->duplicates());
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building, "identity.txt"), identity_));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building, "vocab.txt"), tokenizer_->vocabulary()));
  STILL_RETURN_IF_ERROR(WriteCorpusManifest(building, manifest));
  STILL_RETURN_IF_ERROR(WriteSummary(building, summary));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.commit"));
  STILL_RETURN_IF_ERROR(Rename(building, final_path_));
  Status whole = CheckShards(final_path_, manifest);
  if (whole.code() == Code::kNotFound && Committed()) {
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(building)));
    STILL_RETURN_IF_ERROR(UnlessMissing(Rename(final_path_, building)));
  }
  return whole;
}

}  // namespace still::shards
