#include "shards/corpus/input_splits.h"

#include <algorithm>

#include "common/storage/files.h"

namespace still::shards {

Result<std::vector<InputPiece>> CutInput(const CorpusOptions& options, const PieceBytes& piece_bytes) {
  std::vector<InputPiece> pieces;
  std::uint64_t input = 0;
  for (const std::string& path : options.wikipedia) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(path));
    std::uint64_t begin = 0;
    do {
      const std::uint64_t end = std::min(begin + piece_bytes.of_dump, size);
      pieces.push_back({.dump = path,
                        .begin = begin,
                        .end = end,
                        .books = {},
                        .input_begin = input + begin,
                        .input_bytes = end - begin});
      begin = end;
    } while (begin < size);
    input += size;
  }
  STILL_ASSIGN_OR_RETURN(const std::vector<BookFile> books, ListBooks(options.books));
  InputPiece group;
  for (const BookFile& book : books) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(book.path));
    if (group.books.empty()) group.input_begin = input;
    group.books.push_back(book);
    group.input_bytes += size;
    input += size;
    if (group.input_bytes < piece_bytes.of_books) continue;
    pieces.push_back(std::move(group));
    group = {};
  }
  if (!group.books.empty()) pieces.push_back(std::move(group));
  return pieces;
}

}  // namespace still::shards
