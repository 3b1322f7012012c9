#include "shards/corpus/corpus_build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/check.h"
#include "common/fault_point.h"
#include "common/files.h"
#include "common/host_name.h"
#include "shards/corpus/deal.h"
#include "shards/corpus/piece_file.h"
#include "shards/corpus/tokenise.h"
#include "shards/corpus_manifest.h"
#include "shards/shard_reader.h"
#include "shards/shard_writer.h"
#include "shards/wordpiece.h"

namespace still::shards {
namespace {

Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) return ErrnoStatus(error.value(), "cannot rename to its final name", from);
  return SyncDirectory(std::filesystem::path(to).parent_path());
}

Status UnlessMissing(Status status) { return status.code() == Code::kNotFound ? Ok() : status; }

Status WriteNew(AtomicFile& file, std::string_view bytes) {
  STILL_RETURN_IF_ERROR(file.Append(bytes));
  return file.Commit();
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

Result<CorpusBuild> CorpusBuild::Open(const CorpusOptions& options, const IdentityBuilder& identity,
                                      const ArtifactStore& artifacts, const PieceBytes& piece_bytes) {
  STILL_RETURN_IF_ERROR(CheckCorpusOptions(options));
  CorpusBuild build;
  build.options_ = options;
  build.identity_ = identity.text();
  build.digest_ = identity.Digest();
  build.final_path_ = artifacts.PathOf("corpus", build.digest_);
  build.building_path_ = build.final_path_ + ".building";
  build.pieces_path_ = build.final_path_ + ".pieces";
  STILL_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Load(options.vocab, options.lowercase));
  // Another host may have another file under this name.
  if (build.identity_.find("\ntokenizer=" + tokenizer.fingerprint() + "\n") == std::string::npos) {
    return Error(Code::kInvalidArgument, "corpus {}: {} on host {} is not the vocabulary that it is made with",
                 build.final_path_, options.vocab, HostName());
  }
  build.tokenizer_ = std::make_shared<const Tokenizer>(std::move(tokenizer));
  STILL_ASSIGN_OR_RETURN(build.input_, CutInput(options, piece_bytes));
  for (const InputPiece& piece : build.input_) build.input_bytes_ += piece.input_bytes;
  if (!build.Committed()) {
    STILL_RETURN_IF_ERROR(MakeDirectories(build.building_path_));
    STILL_RETURN_IF_ERROR(MakeDirectories(build.pieces_path_));
  }
  if (build.Committed()) {  // by now
    rmdir(build.building_path_.c_str());
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(build.pieces_path_)));
  }
  STILL_RETURN_IF_ERROR(build.RemoveLeftovers());
  return build;
}

bool CorpusBuild::Committed() const { return Exists(final_path_); }

Status CorpusBuild::RemoveLeftovers() const {
  const std::filesystem::path final_path(final_path_);
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(final_path.parent_path(), final_path.filename().string() + "."));
  return UnlessMissing(RemoveStaleTemporaries(building_path_));  // of a manifest; it is the artifact by now, or there
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
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCommitted());
  return static_cast<std::uint32_t>(manifest.shards.size());
}

std::uint64_t CorpusBuild::InputBytes(CorpusPass pass, std::uint32_t task) const {
  return pass == CorpusPass::kTokenise ? input_.at(task).input_bytes : 0;
}

// The manifest of an artifact that stands, or did before a quarantine: it is what says which shards there are when the
// deal has gone.
Result<CorpusManifest> CorpusBuild::ReadCommitted() const {
  auto manifest = ReadCorpusManifest(final_path_);
  return manifest.status().code() == Code::kNotFound ? ReadCorpusManifest(building_path_) : std::move(manifest);
}

Result<std::string> CorpusBuild::NameOf(CorpusPass pass, std::uint32_t task) const {
  if (pass == CorpusPass::kDeal) return std::string("deal");
  if (pass == CorpusPass::kTokenise) return fmt::format("piece-{:05}", task);
  const auto deal = OpenDeal();
  if (deal.ok()) {
    STILL_CHECK(task < (*deal)->shards().size(), fmt::format("shard {} of {}", task, (*deal)->shards().size()));
    const ShardInfo info = InfoOf(**deal, task, digest_, *tokenizer_);
    return ShardName(info.split, info.shard);
  }
  if (deal.status().code() != Code::kNotFound) return deal.status();
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCommitted());
  STILL_CHECK(task < manifest.shards.size(), fmt::format("shard {} of {}", task, manifest.shards.size()));
  return manifest.shards[task].name;
}

std::string CorpusBuild::StagedAs(const std::string& name) const { return fmt::format("{}.{}", final_path_, name); }

Result<std::string> CorpusBuild::MadeDigest(CorpusPass pass, std::uint32_t task) const {
  STILL_ASSIGN_OR_RETURN(const std::string name, NameOf(pass, task));
  if (pass != CorpusPass::kCopy) {
    return DigestInFooter(JoinPath(pieces_path_, name),
                          pass == CorpusPass::kDeal ? deal_format::kEndMagic : piece_format::kEndMagic);
  }
  auto shard = ShardReader::Open(JoinPath(building_path_, name));  // in this order, which is that of the move
  if (shard.status().code() == Code::kNotFound) shard = ShardReader::Open(JoinPath(final_path_, name));
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
        final_path_, NameOf(pass, task).value(), *other, *computed);
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
  STILL_ASSIGN_OR_RETURN(const std::string name, NameOf(CorpusPass::kTokenise, task));
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
  STILL_ASSIGN_OR_RETURN(const auto shard,
                         ShardWriter::CreateNew(JoinPath(building_path_, name), StagedAs(name), info));
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
  STILL_ASSIGN_OR_RETURN(const std::string name, NameOf(CorpusPass::kTokenise, piece));
  return PieceFile::Open(JoinPath(pieces_path_, name), MadeForOf(piece));
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

// Two processes may do this at once, too: whose rename finds nothing has nothing left to do. What is made of a result
// goes before it, so that a process killed here leaves nothing that is made of nothing.
Status CorpusBuild::Quarantine(CorpusPass pass, std::uint32_t task) const {
  const auto name = NameOf(pass, task);
  if (name.status().code() == Code::kNotFound) return Ok();  // no deal: no shards
  STILL_RETURN_IF_ERROR(name.status());
  if (Committed()) STILL_RETURN_IF_ERROR(UnlessMissing(Rename(final_path_, building_path_)));
  std::string made = JoinPath(building_path_, *name);
  if (pass != CorpusPass::kCopy) {
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(building_path_)));
    STILL_RETURN_IF_ERROR(MakeDirectories(building_path_));
    if (pass == CorpusPass::kTokenise) {
      STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(JoinPath(pieces_path_, "deal"))));
    }
    made = JoinPath(pieces_path_, *name);
  }
  return UnlessMissing(Rename(made, fmt::format("{}.{}.bad", final_path_, *name)));
}

// One that is overtaken by another process may fail anywhere, and has nothing left to do.
Status CorpusBuild::Commit(Summary summary) const {
  Status committed = Committed() ? Ok() : CommitBuilding(std::move(summary));
  if (!Committed()) return committed;
  // What a slower process still puts there goes when the corpus is opened again.
  static_cast<void>(RemoveAll(pieces_path_));
  static_cast<void>(RemoveTemporariesIn(final_path_));  // of others who committed, of whom some died: they moved, too
  return Ok();
}

Status CorpusBuild::CommitBuilding(Summary summary) const {
  STILL_RETURN_IF_ERROR(RemoveLeftovers());
  STILL_ASSIGN_OR_RETURN(const auto deal, OpenDeal());
  CorpusManifest manifest;
  for (std::uint32_t task = 0; task < deal->shards().size(); ++task) {
    const ShardInfo info = InfoOf(*deal, task, digest_, *tokenizer_);
    const std::string name = ShardName(info.split, info.shard);
    STILL_ASSIGN_OR_RETURN(const auto shard, ShardReader::Open(JoinPath(building_path_, name)));
    if (shard->info().corpus_fingerprint != digest_ || shard->info().split != info.split ||
        shard->info().shard != info.shard || shard->sequences() != deal->shards()[task].sequences) {
      return Error(Code::kDataLoss, "corpus {}: not the shard that was dealt; remove {} and run again", shard->path(),
                   building_path_);
    }
    manifest.shards.push_back(
        {.name = name, .split = info.split, .sequences = shard->sequences(), .sha256 = Hex(shard->sha256())});
  }
  for (const auto& [count, value] : CorpusSummary(deal->counts())) summary[count] = value;
  summary["duplicates"] = static_cast<double>(deal->duplicates());
  STILL_ASSIGN_OR_RETURN(const std::string vocabulary, ReadFile(options_.vocab));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building_path_, "identity.txt"), identity_));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building_path_, "vocab.txt"), vocabulary));
  STILL_RETURN_IF_ERROR(WriteCorpusManifest(building_path_, manifest));
  STILL_RETURN_IF_ERROR(WriteSummary(building_path_, summary));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.commit"));
  return Rename(building_path_, final_path_);
}

}  // namespace still::shards
