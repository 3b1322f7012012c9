// still corpus, still targets: looking into artifacts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still::cli {

// The numbers an artifact carries: `still corpus stat`, `still targets stat`.
Status PrintStat(const std::string& directory, std::string_view kind, bool json);

// Reads every byte; the first failure is returned.
Status VerifyCorpusCommand(const std::string& directory);
Status VerifyTargetsCommand(const std::string& directory);

struct CatFlags {
  std::string directory;
  bool heldout = false;
  std::uint64_t first = 0;
  std::uint64_t count = 10;
};
// Sequences as text, one a line: WordPiece joined back, so spacing and case are the tokenizer's.
Status CatCorpusCommand(const CatFlags& flags);

}  // namespace still::cli
