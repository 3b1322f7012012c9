// The input of a corpus in splits: a pure function of the options and the sizes of the files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "shards/corpus/corpus_options.h"
#include "shards/text/books.h"

namespace still::shards {

// What a split is cut to. Another size is no other corpus, but its splits are not those of this one.
struct SplitBytes {
  std::uint64_t of_dump = std::uint64_t{1} << 20;  // compressed
  std::uint64_t of_books = std::uint64_t{4} << 20;
};

// Part of a dump, or whole books.
struct InputSplit {
  std::string dump;  // path; empty for books
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // compressed bytes of the dump
  std::vector<BookFile> books;
  std::uint64_t input_begin = 0;  // in all inputs, one after another
  std::uint64_t input_bytes = 0;
};

// In the order of the inputs: dumps, then books. At least one split a dump.
Result<std::vector<InputSplit>> CutInput(const CorpusOptions& options, const SplitBytes& split_bytes);

}  // namespace still::shards
