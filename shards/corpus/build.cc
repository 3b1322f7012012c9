#include "shards/corpus/build.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <unordered_set>

#include "common/clock.h"
#include "common/digest.h"
#include "common/fault_point.h"
#include "common/files.h"
#include "common/log.h"
#include "common/random.h"
#include "shards/corpus/books.h"
#include "shards/corpus/wikipedia.h"
#include "shards/corpus/wikitext.h"
#include "shards/corpus_manifest.h"
#include "shards/shard_writer.h"
#include "shards/wordpiece.h"

namespace still::shards {
namespace {

// Raise it whenever the same inputs would give other bytes.
constexpr std::uint64_t kTextPathVersion = 1;
constexpr std::uint64_t kSplitKey = 0x68656c646f7574;  // "heldout"

std::string FileName(const std::string& path) { return std::filesystem::path(path).filename(); }

Status CheckOptions(const CorpusOptions& options) {
  const auto bad = [](std::string_view what) { return Error(Code::kInvalidArgument, "corpus: {}", what); };
  if (options.wikipedia.empty() && options.books.empty()) return bad("no inputs: name a Wikipedia dump or books");
  if (options.vocab.empty()) return bad("no vocabulary: name a vocab.txt");
  if (options.min_sequence_tokens < 3) return bad("min_sequence_tokens must be at least 3: [CLS], a token, [SEP]");
  if (options.max_sequence_tokens < options.min_sequence_tokens || options.max_sequence_tokens > 65535) {
    return bad("max_sequence_tokens must be between min_sequence_tokens and 65535");
  }
  if (options.sequences_per_shard == 0) return bad("sequences_per_shard must be at least 1");
  if (!(options.heldout_percent >= 0 && options.heldout_percent < 100)) {
    return bad("heldout_percent must be at least 0 and below 100");
  }
  return Ok();
}

// The shards of one split, filled in order.
class SplitWriter {
 public:
  SplitWriter(std::string directory, ShardInfo info, std::uint32_t sequences_per_shard, CorpusManifest* manifest)
      : directory_(std::move(directory)),
        info_(std::move(info)),
        sequences_per_shard_(sequences_per_shard),
        manifest_(manifest) {}

  void BeginDocument(DocumentInfo document) {
    document_ = std::move(document);
    document_begun_ = false;
  }

  Status AddSequence(TokenSpan tokens) {
    if (shard_ == nullptr) {
      STILL_ASSIGN_OR_RETURN(shard_,
                             ShardWriter::Create(JoinPath(directory_, ShardName(info_.split, info_.shard)), info_));
      document_begun_ = false;
    }
    if (!document_begun_) STILL_RETURN_IF_ERROR(shard_->BeginDocument(document_));
    document_begun_ = true;
    STILL_RETURN_IF_ERROR(shard_->AddSequence(tokens));
    ++sequences_;
    return shard_->sequences() == sequences_per_shard_ ? CommitShard() : Ok();
  }

  // Writes the last shard, if one is begun.
  Status Finish() { return shard_ == nullptr ? Ok() : CommitShard(); }

  std::uint64_t sequences() const { return sequences_; }

 private:
  Status CommitShard() {
    const std::uint64_t sequences = shard_->sequences();
    STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, shard_->Commit());
    manifest_->shards.push_back({.name = ShardName(info_.split, info_.shard),
                                 .split = info_.split,
                                 .sequences = sequences,
                                 .sha256 = Hex(digest)});
    ++info_.shard;
    shard_.reset();
    return FaultPoint("corpus.shard");
  }

  std::string directory_;
  ShardInfo info_;  // of the shard being filled, or the next
  std::uint32_t sequences_per_shard_;
  CorpusManifest* manifest_;
  std::unique_ptr<ShardWriter> shard_;
  DocumentInfo document_;
  bool document_begun_ = false;  // in shard_
  std::uint64_t sequences_ = 0;
};

// One document after another: de-duplicated, tokenised, cut, and written to the split it belongs to.
class CorpusWriter {
 public:
  CorpusWriter(const CorpusOptions& options, const Tokenizer& tokenizer, const std::string& corpus_fingerprint,
               const std::string& directory)
      : options_(options),
        tokenizer_(tokenizer),
        train_(directory, Info(Split::kTrain, corpus_fingerprint), options.sequences_per_shard, &manifest_),
        heldout_(directory, Info(Split::kHeldout, corpus_fingerprint), options.sequences_per_shard, &manifest_) {}

  Status AddDocument(const DocumentInfo& document, std::string_view text) {
    if (!texts_seen_.insert(Hex(Sha256Of(text))).second) {
      ++duplicates_;
      return Ok();
    }
    ++counts_.documents;
    counts_.text_bytes += text.size();
    tokens_.clear();
    tokenizer_.Encode(text, &tokens_);
    SplitWriter& split = IsHeldout(document.sha1) ? heldout_ : train_;
    split.BeginDocument(document);
    const std::size_t piece = options_.max_sequence_tokens - 2;
    for (std::size_t at = 0; at < tokens_.size(); at += piece) {
      const TokenSpan content = TokenSpan(tokens_).subspan(at, std::min(piece, tokens_.size() - at));
      if (content.size() + 2 < options_.min_sequence_tokens) {
        ++counts_.dropped_short;
        break;
      }
      sequence_.assign(1, tokenizer_.special_tokens().classify);
      sequence_.insert(sequence_.end(), content.begin(), content.end());
      sequence_.push_back(tokenizer_.special_tokens().separator);
      counts_.tokens += sequence_.size();
      STILL_RETURN_IF_ERROR(split.AddSequence(sequence_));
    }
    return Ok();
  }

  Status Finish() {
    STILL_RETURN_IF_ERROR(train_.Finish());
    STILL_RETURN_IF_ERROR(heldout_.Finish());
    counts_.train_sequences = train_.sequences();
    counts_.heldout_sequences = heldout_.sequences();
    std::stable_sort(manifest_.shards.begin(), manifest_.shards.end(),
                     [](const ShardEntry& a, const ShardEntry& b) { return a.split < b.split; });
    return Ok();
  }

  CorpusCounts& counts() { return counts_; }
  std::uint64_t duplicates() const { return duplicates_; }
  const CorpusManifest& manifest() const { return manifest_; }

 private:
  ShardInfo Info(Split split, const std::string& corpus_fingerprint) const {
    return {.corpus_fingerprint = corpus_fingerprint,
            .tokenizer_fingerprint = tokenizer_.fingerprint(),
            .shard = 0,
            .split = split,
            .vocabulary_size = tokenizer_.vocabulary_size(),
            .special = tokenizer_.special_tokens()};
  }

  // By the digest of the document's source bytes: the same document is on the same side in every corpus, whatever else
  // that corpus holds and however its text is extracted.
  bool IsHeldout(const Sha1Digest& sha1) const {
    KeyedRandom random(MixKey({kSplitKey, ContentId(std::as_bytes(std::span(sha1)))}));
    return random.NextUnit() * 100 < options_.heldout_percent;
  }

  const CorpusOptions& options_;
  const Tokenizer& tokenizer_;
  CorpusManifest manifest_;
  SplitWriter train_;
  SplitWriter heldout_;
  CorpusCounts counts_;
  std::uint64_t duplicates_ = 0;
  std::unordered_set<std::string> texts_seen_;  // SHA-256
  std::vector<TokenId> tokens_;
  std::vector<TokenId> sequence_;
};

// Feeds every input, in the order given, to a writer, and tells how far it is.
class InputReader {
 public:
  InputReader(CorpusWriter& writer, const std::function<Status(const CorpusProgress&)>& on_progress)
      : writer_(writer), on_progress_(on_progress) {}

  Status ReadAll(const CorpusOptions& options) {
    STILL_ASSIGN_OR_RETURN(const std::vector<BookFile> books, ListBooks(options.books));
    for (const std::string& path : options.wikipedia) STILL_RETURN_IF_ERROR(CountBytes(path));
    for (const BookFile& book : books) STILL_RETURN_IF_ERROR(CountBytes(book.path));
    for (const std::string& path : options.wikipedia) STILL_RETURN_IF_ERROR(ReadDump(path));
    for (const BookFile& book : books) STILL_RETURN_IF_ERROR(ReadBook(book));
    return Ok();
  }

 private:
  Status CountBytes(const std::string& path) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
    progress_.input_bytes_total += size;
    return Ok();
  }

  Status ReadDump(const std::string& path) {
    const std::uint64_t bytes_before = progress_.input_bytes_done;
    const auto add_page = [&](WikipediaPage&& page, std::uint64_t compressed_bytes) -> Status {
      STILL_RETURN_IF_ERROR(Report(bytes_before + compressed_bytes));
      if (!page.IsArticle()) return Ok();
      return writer_.AddDocument(
          {.source = FileName(path), .byte_offset = page.byte_offset, .page_id = page.id, .sha1 = page.sha1},
          page.title + "\n" + PlainText(page.text));
    };
    STILL_ASSIGN_OR_RETURN(const WikipediaCounts counts, ReadWikipedia(path, add_page));
    if (counts.sha1_missing > 0) {
      LogWarn("{}: {} of {} revisions carry no <sha1> and could not be verified", path, counts.sha1_missing,
              counts.sha1_missing + counts.sha1_verified);
    }
    writer_.counts().pages += counts.pages;
    writer_.counts().articles += counts.articles;
    writer_.counts().redirects += counts.redirects;
    writer_.counts().sha1_verified += counts.sha1_verified;
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
    return Report(bytes_before + size);
  }

  Status ReadBook(const BookFile& book) {
    STILL_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(book.path));
    STILL_ASSIGN_OR_RETURN(const std::string text, BookText(book.path, bytes));
    if (!text.empty()) {
      ++writer_.counts().books;
      STILL_RETURN_IF_ERROR(writer_.AddDocument({.source = book.source, .sha1 = Sha1Of(bytes)}, text));
    }
    return Report(progress_.input_bytes_done + bytes.size());
  }

  Status Report(std::uint64_t bytes_done) {
    progress_.input_bytes_done = bytes_done;
    progress_.documents = writer_.counts().documents;
    progress_.tokens = writer_.counts().tokens;
    return on_progress_ ? on_progress_(progress_) : Ok();
  }

  CorpusWriter& writer_;
  const std::function<Status(const CorpusProgress&)>& on_progress_;
  CorpusProgress progress_;
};

}  // namespace

Result<IdentityBuilder> CorpusIdentity(const CorpusOptions& options) {
  STILL_RETURN_IF_ERROR(CheckOptions(options));
  IdentityBuilder identity("corpus");
  identity.Add("text_path_version", kTextPathVersion);
  const auto add_file = [&identity](std::string_view kind, const std::string& name, const std::string& path) {
    auto digest = Sha256OfFile(path);
    if (!digest.ok()) return digest.status();
    identity.Add(kind, fmt::format("{} {}", Hex(*digest), name));
    return Ok();
  };
  for (const std::string& path : options.wikipedia) STILL_RETURN_IF_ERROR(add_file("wikipedia", FileName(path), path));
  STILL_ASSIGN_OR_RETURN(const std::vector<BookFile> books, ListBooks(options.books));
  for (const BookFile& book : books) STILL_RETURN_IF_ERROR(add_file("book", book.source, book.path));
  STILL_ASSIGN_OR_RETURN(const Tokenizer tokenizer, Tokenizer::Load(options.vocab, options.lowercase));
  identity.Add("tokenizer", tokenizer.fingerprint());
  identity.Add("max_sequence_tokens", std::uint64_t{options.max_sequence_tokens});
  identity.Add("min_sequence_tokens", std::uint64_t{options.min_sequence_tokens});
  identity.Add("sequences_per_shard", std::uint64_t{options.sequences_per_shard});
  identity.Add("heldout_percent", options.heldout_percent);
  return identity;
}

Status BuildCorpus(const CorpusOptions& options, const IdentityBuilder& identity, const ArtifactStore& artifacts,
                   const std::function<Status(const CorpusProgress&)>& on_progress) {
  STILL_RETURN_IF_ERROR(CheckOptions(options));
  const Clock& clock = Clock::System();
  const Clock::TimePoint start = clock.Now();
  STILL_ASSIGN_OR_RETURN(const Tokenizer tokenizer, Tokenizer::Load(options.vocab, options.lowercase));
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<StagedDirectory> staged, artifacts.Begin("corpus", identity));
  CorpusWriter writer(options, tokenizer, identity.Digest(), staged->path());
  STILL_RETURN_IF_ERROR(InputReader(writer, on_progress).ReadAll(options));
  STILL_RETURN_IF_ERROR(writer.Finish());
  const CorpusCounts& counts = writer.counts();
  if (counts.train_sequences + counts.heldout_sequences == 0) {
    return Error(Code::kInvalidArgument, "corpus: no sequences of at least {} tokens in the inputs",
                 options.min_sequence_tokens);
  }
  if (options.heldout_percent > 0 && (counts.train_sequences == 0 || counts.heldout_sequences == 0)) {
    return Error(Code::kInvalidArgument,
                 "corpus: of {} documents {} sequences fell to training and {} to the held-out split; both need some: "
                 "give more documents or another corpus.heldout_percent",
                 counts.documents, counts.train_sequences, counts.heldout_sequences);
  }
  STILL_ASSIGN_OR_RETURN(const std::string vocabulary, ReadFile(options.vocab));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(staged->path(), "vocab.txt"), vocabulary));
  STILL_RETURN_IF_ERROR(WriteCorpusManifest(staged->path(), writer.manifest()));
  Summary summary = CorpusSummary(writer.counts());
  summary["duplicates"] = static_cast<double>(writer.duplicates());
  summary["seconds"] = SecondsSince(clock, start);
  STILL_RETURN_IF_ERROR(WriteSummary(staged->path(), summary));
  STILL_RETURN_IF_ERROR(FaultPoint("corpus.commit"));
  return CommitArtifact(*staged);
}

}  // namespace still::shards
