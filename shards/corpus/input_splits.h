// Cuts the input of a corpus into input splits. The cut is a pure function of the configuration and the sizes of the
// files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/corpus/corpus_inputs.h"
#include "shards/text/books.h"

namespace still::shards {

// The sizes that splits are cut to. Another size gives the same corpus, by way of other splits.
struct SplitBytes {
  std::uint64_t of_dump = std::uint64_t{1} << 20;  // compressed
  std::uint64_t of_books = std::uint64_t{4} << 20;
};

// One input split: part of a dump, or some whole books.
struct InputSplit {
  std::string dump;  // path; empty for books
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // [begin, end) are compressed bytes of the dump
  std::vector<BookFile> books;
  std::uint64_t input_begin = 0;  // offset in all inputs, laid end to end
  std::uint64_t input_bytes = 0;
};

// Returns the splits in the order of the inputs: dumps, then books. Each dump has at least one. NOT_FOUND when an input
// is missing.
Result<std::vector<InputSplit>> CutInput(const v1::CorpusConfig& config, const SplitBytes& split_bytes);

}  // namespace still::shards
