#include "shards/corpus/input_splits.h"

#include <algorithm>

#include "common/storage/files.h"

namespace still::shards {

Result<std::vector<InputSplit>> CutInput(const v1::CorpusConfig& config, const SplitBytes& split_bytes) {
  std::vector<InputSplit> splits;
  std::uint64_t input = 0;
  for (const std::string& path : config.wikipedia()) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
    std::uint64_t begin = 0;
    do {
      const std::uint64_t end = std::min(begin + split_bytes.of_dump, size);
      splits.push_back({.dump = path,
                        .begin = begin,
                        .end = end,
                        .books = {},
                        .input_begin = input + begin,
                        .input_bytes = end - begin});
      begin = end;
    } while (begin < size);
    input += size;
  }
  STILL_ASSIGN_OR_RETURN(const std::vector<BookFile> books, ListBooks({config.books().begin(), config.books().end()}));
  InputSplit group;
  for (const BookFile& book : books) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(book.path));
    if (group.books.empty()) group.input_begin = input;
    group.books.push_back(book);
    group.input_bytes += size;
    input += size;
    if (group.input_bytes < split_bytes.of_books) continue;
    splits.push_back(std::move(group));
    group = {};
  }
  if (!group.books.empty()) splits.push_back(std::move(group));
  return splits;
}

}  // namespace still::shards
