#include "shards/corpus/shard_plan.h"

#include <algorithm>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"
#include "common/log.h"
#include "common/random.h"
#include "shards/corpus/duplicate_documents.h"

namespace still::shards {
namespace {

using shard_plan_format::Extent;
using shard_plan_format::Header;
using shard_plan_format::Shard;
using shard_plan_format::SplitEntry;
using split_format::Document;

constexpr std::uint64_t kSplitKey = 0x68656c646f7574;  // "heldout"

// The shards of training or of the held-out part, filled in order.
struct PlannedShards {
  std::vector<Shard> shards;
  std::vector<Extent> extents;
  std::uint64_t sequences = 0;

  void Add(Extent document, std::uint64_t count, std::uint32_t sequences_per_shard) {
    sequences += count;
    while (count > 0) {
      if (shards.empty() || shards.back().sequences == sequences_per_shard) {
        shards.push_back({.first_extent = extents.size(), .extents = 0, .sequences = 0});
      }
      Shard& shard = shards.back();
      document.sequences =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(count, sequences_per_shard - shard.sequences));
      extents.push_back(document);
      ++shard.extents;
      shard.sequences += document.sequences;
      document.first_sequence += document.sequences;
      count -= document.sequences;
    }
  }
};

class ShardPlanner {
 public:
  explicit ShardPlanner(const v1::CorpusConfig& config)
      : config_(config), cut_{config.max_sequence_tokens(), config.min_sequence_tokens()} {}

  Status AddSplit(std::uint32_t number, const InputSplit& input, const SplitFile& split) {
    const split_format::Header& header = split.header();
    if (!joins_.empty() && (input.dump.empty() || input.begin == 0)) STILL_RETURN_IF_ERROR(EndDump());
    if (!input.dump.empty()) {
      dump_ = input;
      joins_.push_back(header.join);
      revisions_verified_ += header.wikipedia.sha1_verified;
      revisions_unverified_ += header.wikipedia.sha1_missing;
    }
    counts_.pages += header.wikipedia.pages;
    counts_.articles += header.wikipedia.articles;
    counts_.redirects += header.wikipedia.redirects;
    counts_.sha1_verified += header.wikipedia.sha1_verified;
    counts_.books += header.books;
    splits_.push_back({.sha256 = split.sha256(), .text_begin = 0});
    for (std::size_t i = 0; i < split.documents().size(); ++i) {
      AddDocument(number, static_cast<std::uint32_t>(i), split.documents()[i]);
    }
    return Ok();
  }

  Result<std::string> Finish(const std::string& corpus, std::string* digest) {
    if (!joins_.empty()) STILL_RETURN_IF_ERROR(EndDump());
    counts_.train_sequences = train_.sequences;
    counts_.heldout_sequences = heldout_.sequences;
    STILL_RETURN_IF_ERROR(CheckCounts());
    for (Shard& shard : heldout_.shards) shard.first_extent += train_.extents.size();
    Header header{};
    header.magic = shard_plan_format::kFormat.magic;
    header.version = shard_plan_format::kFormat.version;
    header.splits = static_cast<std::uint32_t>(splits_.size());
    STILL_CHECK(corpus.size() == header.corpus.size(), corpus);
    std::copy(corpus.begin(), corpus.end(), header.corpus.begin());
    header.train_shards = static_cast<std::uint32_t>(train_.shards.size());
    header.heldout_shards = static_cast<std::uint32_t>(heldout_.shards.size());
    header.extents = train_.extents.size() + heldout_.extents.size();
    header.counts = counts_;
    header.duplicates = seen_.duplicates();
    std::string image(AsText(AsBytes(header)));
    const auto append = [&image](const auto& values) { image += AsText(std::as_bytes(std::span(values))); };
    append(splits_);
    append(train_.shards);
    append(heldout_.shards);
    append(train_.extents);
    append(heldout_.extents);
    const SealedFooter footer{.sha256 = Sha256Of(image), .end_magic = shard_plan_format::kFormat.end_magic};
    *digest = Hex(footer.sha256);
    image += AsText(AsBytes(footer));
    return image;
  }

 private:
  void AddDocument(std::uint32_t split, std::uint32_t number, const Document& document) {
    if (seen_.IsDuplicate(document.text_sha256)) return;
    ++counts_.documents;
    counts_.text_bytes += document.text_bytes;
    const std::uint64_t sequences = cut_.Sequences(document.tokens);
    std::uint64_t kept = document.tokens;
    if (cut_.DropsRest(document.tokens)) {
      ++counts_.dropped_short;
      kept -= document.tokens % cut_.tokens_each();
    }
    counts_.tokens += kept + 2 * sequences;
    PlannedShards& shards = IsHeldout(document.sha1) ? heldout_ : train_;
    shards.Add({.split = split, .document = number, .first_sequence = 0, .sequences = 0}, sequences,
               config_.sequences_per_shard());
  }

  // Decides by the digest of the document's source bytes. So the same document is on the same side in every corpus,
  // whatever else that corpus holds and however its text is extracted.
  bool IsHeldout(const Sha1Digest& sha1) const {
    KeyedRandom random(MixKey({kSplitKey, ContentId(std::as_bytes(std::span(sha1)))}));
    return random.NextUnit() * 100 < config_.heldout_percent();
  }

  Status EndDump() {
    STILL_ASSIGN_OR_RETURN(const auto begins, CheckDumpJoins(dump_.dump, dump_.end, joins_));
    for (std::size_t i = 0; i < begins.size(); ++i) {
      splits_[splits_.size() - begins.size() + i].text_begin = begins[i];
    }
    if (revisions_unverified_ > 0) {
      LogWarn("{}: {} of {} revisions carry no <sha1> and could not be verified", dump_.dump, revisions_unverified_,
              revisions_unverified_ + revisions_verified_);
    }
    joins_.clear();
    revisions_verified_ = revisions_unverified_ = 0;
    return Ok();
  }

  Status CheckCounts() const {
    if (counts_.train_sequences + counts_.heldout_sequences == 0) {
      return Error(Code::kInvalidArgument, "corpus: the inputs give no sequence of at least {} tokens; give more text",
                   config_.min_sequence_tokens());
    }
    if (config_.heldout_percent() > 0 && (counts_.train_sequences == 0 || counts_.heldout_sequences == 0)) {
      return Error(Code::kInvalidArgument,
                   "corpus: {} documents gave {} training sequences and {} held-out ones, and both need some: give "
                   "more documents or "
                   "another corpus.heldout_percent",
                   counts_.documents, counts_.train_sequences, counts_.heldout_sequences);
    }
    return Ok();
  }

  const v1::CorpusConfig& config_;
  SequenceCut cut_;
  CorpusCounts counts_;
  DuplicateDocuments seen_;
  std::vector<SplitEntry> splits_;
  PlannedShards train_;
  PlannedShards heldout_;
  InputSplit dump_;  // the last split of the dump whose joins are in joins_
  std::vector<DumpJoin> joins_;
  std::uint64_t revisions_verified_ = 0;
  std::uint64_t revisions_unverified_ = 0;
};

}  // namespace

Result<std::string> MakeShardPlan(const v1::CorpusConfig& config, const std::string& corpus,
                                  const std::vector<InputSplit>& input,
                                  const std::function<Result<std::unique_ptr<SplitFile>>(std::uint32_t)>& open,
                                  const std::function<Status()>& on_split, std::string* digest) {
  ShardPlanner planner(config);
  for (std::uint32_t number = 0; number < input.size(); ++number) {
    STILL_ASSIGN_OR_RETURN(const auto split, open(number));
    STILL_RETURN_IF_ERROR(planner.AddSplit(number, input[number], *split));
    STILL_RETURN_IF_ERROR(on_split());
  }
  return planner.Finish(corpus, digest);
}

Result<std::unique_ptr<const ShardPlan>> ShardPlan::Open(const std::string& path, const std::string& corpus) {
  STILL_ASSIGN_OR_RETURN(SealedFile file, SealedFile::Open(path, shard_plan_format::kFormat, sizeof(Header)));
  std::unique_ptr<ShardPlan> plan(new ShardPlan(std::move(file)));
  STILL_RETURN_IF_ERROR(plan->Read(corpus));
  return std::unique_ptr<const ShardPlan>(std::move(plan));
}

Status ShardPlan::Read(const std::string& corpus) {
  const auto bytes = file_.bytes();
  if (Sha256Of(bytes) != file_.sha256()) return file_.Damaged("it fails its checksum");
  if (std::string_view(header_.corpus.data(), header_.corpus.size()) != corpus) {
    return file_.Damaged("it was made for another corpus");
  }
  std::uint64_t at = sizeof(Header);
  const auto take = [&]<typename T>(std::uint64_t count, std::span<const T>* out) {
    *out = {reinterpret_cast<const T*>(bytes.data() + at), count};
    at += count * sizeof(T);
  };
  take(header_.splits, &splits_);
  take(std::uint64_t{header_.train_shards} + header_.heldout_shards, &shards_);
  take(header_.extents, &extents_);
  return at == bytes.size() ? Ok() : file_.Damaged("its size is not what its header says");
}

}  // namespace still::shards
