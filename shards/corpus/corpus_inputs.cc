#include "shards/corpus/corpus_inputs.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "common/host_name.h"
#include "common/storage/file_digest.h"
#include "shards/text/books.h"
#include "shards/text/wordpiece.h"

namespace still::shards {
namespace {

// Must be raised whenever the same inputs would give other bytes.
constexpr std::uint64_t kTextPathVersion = 1;

}  // namespace

Status CheckCorpusConfig(const v1::CorpusConfig& config) {
  const auto bad = [](std::string_view what) { return Error(Code::kInvalidArgument, "corpus: {}", what); };
  if (config.wikipedia().empty() && config.books().empty()) return bad("no inputs: name a Wikipedia dump or books");
  if (config.vocab().empty()) return bad("no vocabulary: name a vocab.txt");
  if (config.min_sequence_tokens() < 3) return bad("min_sequence_tokens must be at least 3: [CLS], a token, [SEP]");
  if (config.max_sequence_tokens() < config.min_sequence_tokens() || config.max_sequence_tokens() > 65535) {
    return bad("max_sequence_tokens must be between min_sequence_tokens and 65535");
  }
  if (config.sequences_per_shard() == 0) return bad("sequences_per_shard must be at least 1");
  if (!(config.heldout_percent() >= 0 && config.heldout_percent() < 100)) {
    return bad("heldout_percent must be at least 0 and below 100");
  }
  return Ok();
}

Result<CorpusInputs> ReadCorpusInputs(const v1::CorpusConfig& config) {
  STILL_RETURN_IF_ERROR(CheckCorpusConfig(config));
  CorpusInputs inputs;
  IdentityBuilder& identity = inputs.identity;
  identity.Add("text_path_version", kTextPathVersion);
  const auto add_file = [&identity](std::string_view kind, const std::string& name, const std::string& path) {
    auto digest = Sha256OfFile(path);
    if (!digest.ok()) return digest.status();
    identity.Add(kind, fmt::format("{} {}", Hex(*digest), name));
    return Ok();
  };
  for (const std::string& path : config.wikipedia()) {
    STILL_RETURN_IF_ERROR(add_file("wikipedia", std::filesystem::path(path).filename(), path));
  }
  STILL_ASSIGN_OR_RETURN(const std::vector<BookFile> books, ListBooks({config.books().begin(), config.books().end()}));
  for (const BookFile& book : books) STILL_RETURN_IF_ERROR(add_file("book", book.source, book.path));
  STILL_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Load(config.vocab(), config.lowercase()));
  identity.Add("tokenizer", tokenizer.fingerprint());
  identity.Add("max_sequence_tokens", std::uint64_t{config.max_sequence_tokens()});
  identity.Add("min_sequence_tokens", std::uint64_t{config.min_sequence_tokens()});
  identity.Add("sequences_per_shard", std::uint64_t{config.sequences_per_shard()});
  identity.Add("heldout_percent", config.heldout_percent());
  inputs.tokenizer = std::make_shared<const Tokenizer>(std::move(tokenizer));
  return inputs;
}

Result<CorpusInputs> ReadCorpusInputs(const v1::CorpusConfig& config, const std::string& digest) {
  STILL_ASSIGN_OR_RETURN(CorpusInputs inputs, ReadCorpusInputs(config));
  if (inputs.identity.Digest() == digest) return inputs;
  return Error(Code::kInvalidArgument,
               "an input of the corpus changed since the plan was made, or is another file on host {}: see that all "
               "hosts have the same inputs, then run again",
               HostName());
}

}  // namespace still::shards
