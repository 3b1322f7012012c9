#include "shards/corpus/corpus_build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/check.h"
#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/deal.h"
#include "shards/corpus/piece_file.h"
#include "shards/corpus/shard_reader.h"
#include "shards/corpus/shard_writer.h"
#include "shards/corpus/tokenise.h"
#include "shards/text/wordpiece.h"

namespace still::shards {
namespace {

// One a deal, and one that was an artifact.
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
    case CorpusPass::kTokenise: return fmt::format("piece-{:05}", task);
    case CorpusPass::kDeal: return "deal";
    case CorpusPass::kCopy: break;
  }
  return fmt::format("shard {}", task);
}

ShardInfo InfoOf(const Deal& deal, std::uint32_t task, const std::string& corpus, const Tokenizer& tokenizer) {
  const bool train = task < deal.train_shards();
  return {.corpus_fingerprint = corpus,
          .tokenizer_fingerprint = tokenizer.fingerprint(),
          .shard = train ? task : task - deal.train_shards(),
          .split = train ? Split::kTrain : Split::kHeldout,
          .vocabulary_size = tokenizer.vocabulary_size(),
          .special = tokenizer.special_tokens()};
}

}  // namespace

Result<CorpusBuild> CorpusBuild::Open(const CorpusOptions& options, const CorpusInputs& inputs,
                                      const ArtifactStore& artifacts, const PieceBytes& piece_bytes) {
  STILL_RETURN_IF_ERROR(CheckCorpusOptions(options));
  CorpusBuild build;
  build.options_ = options;
  build.identity_ = inputs.identity.text();
  build.digest_ = inputs.identity.Digest();
  build.tokenizer_ = inputs.tokenizer;
  build.final_path_ = artifacts.PathOf("corpus", build.digest_);
  build.pieces_path_ = build.final_path_ + ".pieces";
  STILL_ASSIGN_OR_RETURN(build.input_, CutInput(options, piece_bytes));
  for (const InputPiece& piece : build.input_) build.input_bytes_ += piece.input_bytes;
  if (!build.Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(build.pieces_path_));
  STILL_RETURN_IF_ERROR(RemoveRemains(artifacts, build.digest_));
  STILL_RETURN_IF_ERROR(build.RemoveLeftovers());
  return build;
}

Status CorpusBuild::RemoveRemains(const ArtifactStore& artifacts, const std::string& digest) {
  const std::string final_path = artifacts.PathOf("corpus", digest);
  if (!Exists(final_path)) return Ok();
  STILL_RETURN_IF_ERROR(RemoveBuildings(final_path));
  return UnlessMissing(RemoveAll(final_path + ".pieces"));
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
    case CorpusPass::kDeal: return 1;
    case CorpusPass::kCopy: break;
  }
  const auto deal = OpenDeal();
  if (deal.ok()) return static_cast<std::uint32_t>((*deal)->shards().size());
  if (deal.status().code() != Code::kNotFound) return deal.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(final_path_));
  return static_cast<std::uint32_t>(manifest.shards.size());
}

std::uint64_t CorpusBuild::InputBytes(CorpusPass pass, std::uint32_t task) const {
  return pass == CorpusPass::kTokenise ? input_.at(task).input_bytes : 0;
}

Result<CorpusBuild::ShardPlace> CorpusBuild::FindShard(std::uint32_t task) const {
  const auto deal = OpenDeal();
  if (deal.ok()) {
    STILL_CHECK(task < (*deal)->shards().size(), fmt::format("shard {} of {}", task, (*deal)->shards().size()));
    const ShardInfo info = InfoOf(**deal, task, digest_, *tokenizer_);
    return ShardPlace{*deal, ShardName(info.split, info.shard)};
  }
  if (deal.status().code() != Code::kNotFound) return deal.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(final_path_));
  STILL_CHECK(task < manifest.shards.size(), fmt::format("shard {} of {}", task, manifest.shards.size()));
  return ShardPlace{nullptr, manifest.shards[task].name};
}

// Who copies by an old deal copies to where nobody looks.
std::string CorpusBuild::BuildingPath(const Deal& deal) const {
  return StagedAs(deal.digest().substr(0, 16) + ".building");
}

std::string CorpusBuild::StagedAs(const std::string& name) const { return fmt::format("{}.{}", final_path_, name); }

Result<std::string> CorpusBuild::MadeDigest(CorpusPass pass, std::uint32_t task) const {
  if (pass != CorpusPass::kCopy) {
    const SealedFormat& format = pass == CorpusPass::kDeal ? deal_format::kFormat : piece_format::kFormat;
    STILL_ASSIGN_OR_RETURN(const SealedFile file,
                           SealedFile::Open(JoinPath(pieces_path_, NameOf(pass, task)), format, /*header_bytes=*/0));
    return Hex(file.sha256());
  }
  STILL_ASSIGN_OR_RETURN(const ShardPlace place, FindShard(task));
  // In this order, which is that of the move.
  auto shard = ShardReader::Open(JoinPath(place.deal ? BuildingPath(*place.deal) : final_path_, place.name));
  if (place.deal && shard.status().code() == Code::kNotFound) {
    shard = ShardReader::Open(JoinPath(final_path_, place.name));
  }
  STILL_RETURN_IF_ERROR(shard.status());
  return Hex((*shard)->sha256());
}

Result<std::string> CorpusBuild::Make(CorpusPass pass, std::uint32_t task, const OnProgress& on_progress,
                                      std::string* computed) {
  computed->clear();
  if (!Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(pieces_path_));  // an artifact in quarantine has none
  Status made;
  switch (pass) {
    case CorpusPass::kTokenise: made = MakePiece(task, on_progress, computed); break;
    case CorpusPass::kDeal: made = MakeDeal(on_progress, computed); break;
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

MadeFor CorpusBuild::MadeForOf(std::uint32_t piece) const {
  const InputPiece& input = input_.at(piece);
  return {.corpus = digest_, .piece = piece, .input_begin = input.input_begin, .input_bytes = input.input_bytes};
}

Status CorpusBuild::MakePiece(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  const std::string name = NameOf(CorpusPass::kTokenise, task);
  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::CreateNew(JoinPath(pieces_path_, name), StagedAs(name)));
  PieceBuilder piece;
  STILL_RETURN_IF_ERROR(TokenisePiece(input_.at(task), *tokenizer_, on_progress, &piece));
  if (FaultFlips("corpus.result")) piece.FlipLowestBit();
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.piece"));
  return WriteNew(*file, piece.Image(MadeForOf(task), computed));
}

Status CorpusBuild::MakeDeal(const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto file, AtomicFile::CreateNew(JoinPath(pieces_path_, "deal"), StagedAs("deal")));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.deal"));
  STILL_ASSIGN_OR_RETURN(const std::string image,
                         shards::MakeDeal(
                             options_, digest_, input_, [this](std::uint32_t piece) { return OpenPiece(piece); },
                             [&] { return on_progress({}); }, computed));
  return WriteNew(*file, image);
}

Status CorpusBuild::MakeShard(std::uint32_t task, const OnProgress& on_progress, std::string* computed) const {
  STILL_ASSIGN_OR_RETURN(const auto deal, OpenDeal());
  const ShardInfo info = InfoOf(*deal, task, digest_, *tokenizer_);
  const std::string name = ShardName(info.split, info.shard);
  const std::string building = BuildingPath(*deal);
  STILL_RETURN_IF_ERROR(MakeDirectories(building));
  STILL_ASSIGN_OR_RETURN(const auto shard, ShardWriter::CreateNew(JoinPath(building, name), StagedAs(name), info));
  STILL_RETURN_IF_ERROR(CopySequences(*deal, task, on_progress, shard.get()));
  const Status committed = shard->Commit().status();
  *computed = Hex(shard->digest());
  return committed;
}

Status CorpusBuild::CopySequences(const Deal& deal, std::uint32_t task, const OnProgress& on_progress,
                                  ShardWriter* shard) const {
  std::vector<TokenId> sequence;
  const SequenceCut cut{options_.max_sequence_tokens, options_.min_sequence_tokens};
  const SpecialTokens& special = tokenizer_->special_tokens();
  for (const deal_format::Extent& extent : deal.ExtentsOf(task)) {
    STILL_RETURN_IF_ERROR(on_progress({}));
    const deal_format::Piece& dealt = deal.pieces()[extent.piece];
    STILL_ASSIGN_OR_RETURN(const auto piece, OpenDealtPiece(extent.piece, dealt.sha256));
    STILL_ASSIGN_OR_RETURN(const TokenSpan tokens, piece->Tokens());
    const piece_format::Document& document = piece->documents()[extent.document];
    STILL_RETURN_IF_ERROR(shard->BeginDocument({.source = std::string(piece->SourceOf(document)),
                                                .byte_offset = dealt.text_begin + document.byte_offset,
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

Result<std::unique_ptr<PieceFile>> CorpusBuild::OpenPiece(std::uint32_t piece) const {
  return PieceFile::Open(JoinPath(pieces_path_, NameOf(CorpusPass::kTokenise, piece)), MadeForOf(piece));
}

// One shard after the other is copied from one piece, which is checked once.
Result<std::shared_ptr<PieceFile>> CorpusBuild::OpenDealtPiece(std::uint32_t piece, const Sha256Digest& sha256) const {
  if (piece_ == nullptr || piece_->header().piece != piece || piece_->sha256() != sha256) {
    STILL_ASSIGN_OR_RETURN(auto opened, OpenPiece(piece));
    STILL_RETURN_IF_ERROR(opened->Tokens().status());
    piece_ = std::move(opened);
  }
  if (piece_->sha256() == sha256) return piece_;
  return Error(Code::kDataLoss, "corpus {}: piece {} is not the one that was dealt; remove {} and run again",
               final_path_, piece, pieces_path_);
}

// Another process may have set the deal aside and made another.
Result<std::shared_ptr<const Deal>> CorpusBuild::OpenDeal() const {
  STILL_ASSIGN_OR_RETURN(const std::string digest, MadeDigest(CorpusPass::kDeal, 0));
  if (deal_ != nullptr && deal_->digest() == digest) return deal_;
  STILL_ASSIGN_OR_RETURN(deal_, Deal::Open(JoinPath(pieces_path_, "deal"), digest_));
  return deal_;
}

// Two processes may do this at once, too: whose rename finds nothing has nothing left to do. A commit may be under way:
// an artifact is looked for also when the result is out of its reach.
Status CorpusBuild::Quarantine(CorpusPass pass, std::uint32_t task) const {
  ShardPlace shard;
  if (pass == CorpusPass::kCopy) {
    auto found = FindShard(task);
    if (found.status().code() == Code::kNotFound) return Ok();  // no deal: no shards
    STILL_RETURN_IF_ERROR(found.status());
    shard = *std::move(found);
  }
  const std::string name = pass == CorpusPass::kCopy ? shard.name : NameOf(pass, task);
  STILL_RETURN_IF_ERROR(TakeApart(name));
  const std::string bad = StagedAs(name + ".bad");
  if (pass == CorpusPass::kCopy) {
    if (shard.deal) STILL_RETURN_IF_ERROR(UnlessMissing(Rename(JoinPath(BuildingPath(*shard.deal), name), bad)));
  } else {
    if (pass == CorpusPass::kTokenise) {
      STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(pieces_path_, "deal"))));
    }
    STILL_RETURN_IF_ERROR(UnlessMissing(Rename(JoinPath(pieces_path_, name), bad)));
    STILL_RETURN_IF_ERROR(RemoveBuildings(final_path_));
  }
  return TakeApart(name);
}

// The rest of it is made anew: it does not say of which deal it is.
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
  static_cast<void>(RemoveAll(pieces_path_));
  static_cast<void>(RemoveBuildings(final_path_));      // of other deals
  static_cast<void>(RemoveTemporariesIn(final_path_));  // of others who committed, of whom some died: they moved, too
  return Ok();
}

Status CorpusBuild::CommitBuilding(Summary summary) const {
  STILL_RETURN_IF_ERROR(RemoveLeftovers());
  STILL_ASSIGN_OR_RETURN(const auto deal, OpenDeal());
  const std::string building = BuildingPath(*deal);
  CorpusManifest manifest;
  for (std::uint32_t task = 0; task < deal->shards().size(); ++task) {
    const ShardInfo info = InfoOf(*deal, task, digest_, *tokenizer_);
    const std::string name = ShardName(info.split, info.shard);
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(building, name)));
    if (shard->info().corpus_fingerprint != digest_ || shard->info().split != info.split ||
        shard->info().shard != info.shard || shard->sequences() != deal->shards()[task].sequences) {
      return Error(Code::kDataLoss, "corpus {}: not the shard that was dealt; remove {} and run again", shard->path(),
                   building);
    }
    manifest.shards.push_back(
        {.name = name, .split = info.split, .sequences = shard->sequences(), .sha256 = Hex(shard->sha256())});
  }
  for (const auto& [count, value] : CorpusSummary(deal->counts())) summary[count] = value;
  summary["duplicates"] = static_cast<double>(deal->duplicates());
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
