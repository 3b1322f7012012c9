#include "cli/inspect_command.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <vector>

#include "cli/report.h"
#include "cli/text.h"
#include "common/storage/artifact.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/corpus_view.h"
#include "shards/targets/target_store.h"
#include "shards/text/wordpiece.h"

namespace still::cli {
namespace {

// The first line of an artifact's identity says its kind: a wrong path is a usage error, never damage.
Status CheckKind(const std::string& directory, std::string_view kind) {
  const Result<std::string> identity = ReadFile(JoinPath(directory, "identity.txt"));
  if (identity.ok() && identity->starts_with(fmt::format("kind={}\n", kind))) return Ok();
  constexpr std::string_view kKindLine = "kind=";
  const std::string is =
      !Exists(directory) ? "does not exist"
      : identity.ok() && identity->starts_with(kKindLine)
          ? fmt::format("is a {} artifact, not a {} artifact",
                        identity->substr(kKindLine.size(), identity->find('\n') - kKindLine.size()), kind)
          : fmt::format("is not a {} artifact", kind);
  return Error(
      Code::kInvalidArgument,
      "{} {}; name <artifacts>/{}/<digest>, for example out/artifacts/{}/{} (`still run PIPELINE --check` shows "
      "its digest)",
      Escaped(directory), Escaped(is), kind, kind, "0f3c...");
}

Result<std::vector<std::string>> ReadVocabulary(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<std::string> words;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  return words;
}

std::string TextOf(shards::TokenSpan tokens, const std::vector<std::string>& vocabulary) {
  std::string text;
  for (const shards::TokenId token : tokens) {
    const std::string_view piece = token < vocabulary.size() ? std::string_view(vocabulary[token]) : "[?]";
    if (piece.starts_with("##")) {
      text += piece.substr(2);
    } else {
      if (!text.empty()) text += ' ';
      text += piece;
    }
  }
  return text;
}

}  // namespace

Status PrintStat(const std::string& directory, std::string_view kind, bool json) {
  STILL_RETURN_IF_ERROR(CheckKind(directory, kind));
  STILL_ASSIGN_OR_RETURN(const Summary numbers, ReadSummary(directory));
  std::fputs((json ? NumbersJson(numbers) : NumbersText(numbers)).c_str(), stdout);
  return Ok();
}

Status VerifyCorpusCommand(const std::string& directory) {
  STILL_RETURN_IF_ERROR(CheckKind(directory, "corpus"));
  STILL_ASSIGN_OR_RETURN(const shards::CorpusManifest manifest, shards::ReadCorpusManifest(directory));
  STILL_RETURN_IF_ERROR(shards::VerifyCorpus(directory));
  const std::string vocabulary = JoinPath(directory, "vocab.txt");
  STILL_ASSIGN_OR_RETURN(const std::string identity, ReadFile(JoinPath(directory, "identity.txt")));
  const auto made_with = [&](bool lowercase) {
    const auto tokenizer = shards::Tokenizer::Load(vocabulary, lowercase);
    return tokenizer.ok() && identity.find("tokenizer=" + tokenizer->fingerprint()) != std::string::npos;
  };
  if (!made_with(true) && !made_with(false))
    return Error(Code::kDataLoss, "{} is not the one the corpus was made with; remove {} and run again", vocabulary,
                 directory);
  fmt::print("{}: {} shards, every byte as it was written\n", directory, manifest.shards.size());
  return Ok();
}

Status VerifyTargetsCommand(const std::string& directory) {
  STILL_RETURN_IF_ERROR(CheckKind(directory, "targets"));
  STILL_ASSIGN_OR_RETURN(const auto targets, shards::TargetSet::Open(directory));
  STILL_RETURN_IF_ERROR(targets->Verify());
  fmt::print("{}: {} records in {} shards, every one intact\n", directory, WithThousands(targets->records()),
             targets->shards());
  return Ok();
}

Status CatCorpusCommand(const CatFlags& flags) {
  STILL_RETURN_IF_ERROR(CheckKind(flags.directory, "corpus"));
  const shards::Split split = flags.heldout ? shards::Split::kHeldout : shards::Split::kTrain;
  STILL_ASSIGN_OR_RETURN(const auto corpus, shards::CorpusView::Open(flags.directory, split));
  STILL_ASSIGN_OR_RETURN(const auto vocabulary, ReadVocabulary(JoinPath(flags.directory, "vocab.txt")));
  const std::uint64_t total = corpus->sequences();
  if (flags.first >= total)
    return Error(Code::kInvalidArgument, "--first {}: the split has {} sequences", flags.first, total);
  const std::uint64_t end = flags.first + std::min(flags.count, total - flags.first);
  for (std::uint64_t i = flags.first; i < end; ++i) {
    STILL_ASSIGN_OR_RETURN(const shards::TokenSpan tokens, corpus->Sequence(i));
    fmt::print("{}\n", TextOf(tokens, vocabulary));
  }
  return Ok();
}

}  // namespace still::cli
