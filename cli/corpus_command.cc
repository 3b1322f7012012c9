// still corpus: looks into a corpus artifact.
#include <algorithm>
#include <string>

#include "cli/artifact_commands.h"
#include "cli/terminal.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/corpus_view.h"
#include "shards/corpus/shard_reader.h"
#include "shards/text/wordpiece.h"

namespace still::cli {
namespace {

struct Options {
  std::string directory;
  // For `cat` only.
  bool heldout = false;
  std::uint64_t first = 0;
  std::uint64_t count = 10;
};

// Joins the WordPiece tokens of a sequence. Spacing and case are the tokenizer's, not the source text's.
std::string TextOf(shards::TokenSpan tokens, const shards::Tokenizer& tokenizer) {
  std::string text;
  for (const shards::TokenId token : tokens) {
    const std::string_view piece = token < tokenizer.vocabulary_size() ? tokenizer.Piece(token) : "[?]";
    if (piece.starts_with("##")) {
      text += piece.substr(2);
    } else {
      if (!text.empty()) text += ' ';
      text += piece;
    }
  }
  return text;
}

// Reads every byte. Returns the first damage, also when the vocabulary is not the one that made the corpus.
Status VerifyCorpus(const Options& options) {
  const std::string& directory = options.directory;
  STILL_RETURN_IF_ERROR(CheckKind(directory, "corpus"));
  STILL_ASSIGN_OR_RETURN(const shards::CorpusManifest manifest, shards::ReadCorpusManifest(directory));
  STILL_RETURN_IF_ERROR(shards::VerifyCorpus(directory));
  if (manifest.shards.empty()) return Error(Code::kDataLoss, "{}: its manifest.json lists no shard", directory);
  STILL_ASSIGN_OR_RETURN(const auto shard, shards::OpenListedShard(directory, manifest.shards.front()));
  const std::string vocabulary = JoinPath(directory, "vocab.txt");
  const auto made_with = [&](bool lowercase) {
    const auto tokenizer = shards::Tokenizer::Load(vocabulary, lowercase);
    return tokenizer.ok() && tokenizer->fingerprint() == shard->info().tokenizer_fingerprint;
  };
  if (!made_with(true) && !made_with(false))
    return Error(Code::kDataLoss, "{} is not the vocabulary that made the corpus; remove {} and run again", vocabulary,
                 directory);
  Print(fmt::format("{}: {} shards, all bytes match their checksums\n", directory, manifest.shards.size()));
  return Ok();
}

Status CatCorpus(const Options& options) {
  STILL_RETURN_IF_ERROR(CheckKind(options.directory, "corpus"));
  const shards::Split split = options.heldout ? shards::Split::kHeldout : shards::Split::kTrain;
  STILL_ASSIGN_OR_RETURN(const auto corpus, shards::CorpusView::Open(options.directory, split));
  STILL_ASSIGN_OR_RETURN(const auto tokenizer, shards::Tokenizer::Load(JoinPath(options.directory, "vocab.txt"),
                                                                       /*lowercase=*/true));  // only its pieces count
  const std::uint64_t total = corpus->sequences();
  if (options.first >= total)
    return Error(Code::kInvalidArgument, "--first {} is beyond the split, which has {} sequences", options.first,
                 total);
  const std::uint64_t end = options.first + std::min(options.count, total - options.first);
  for (std::uint64_t i = options.first; i < end; ++i) {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, corpus->Sequence(i));
    fmt::print("{}\n", TextOf(tokens, tokenizer));
  }
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  CLI::App* corpus = app.add_subcommand("corpus", "Look into a corpus artifact")->require_subcommand(1);
  AddStatCommand(corpus, "Print the numbers counted while it was built", action);
  const auto [verify, verified] =
      AddCommand(*corpus, "verify", "Check every byte against its checksums", action, &VerifyCorpus);
  AddDirectory(corpus, verify, verified.directory);
  const auto [cat, options] = AddCommand(*corpus, "cat", "Print sequences as text, one per line", action, &CatCorpus);
  AddDirectory(corpus, cat, options.directory);
  cat->add_flag("--heldout", options.heldout, "Print the held-out split instead of the training split");
  AddOption(cat, "--first", options.first, "N", "Index of the first sequence")->capture_default_str();
  AddOption(cat, "--count", options.count, "N", "Number of sequences")->capture_default_str();
}

const Registration kRegistration(/*place=*/130, &AddTo);

}  // namespace
}  // namespace still::cli
