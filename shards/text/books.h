// Book files to plain text: UTF-8, LF, one paragraph a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still::shards {

struct BookFile {
  std::string path;
  std::string source;  // path without the directories above the one that was listed: the same on every machine
};

// The files behind `paths`: a file is itself; a directory stands for the regular files below it that end in .txt or
// have no extension, in order of their paths. NOT_FOUND for a path that is not there, or a directory without any.
Result<std::vector<BookFile>> ListBooks(const std::vector<std::string>& paths);

// The text of a book file's bytes. A byte-order mark is dropped; CRLF and bare CR end lines like LF; bytes that are
// not valid UTF-8 are read as Windows-1252, the encoding of old English e-texts; the lines of a paragraph (blank lines
// separate paragraphs) are joined by spaces; where Project Gutenberg's START, END or "small print" markers stand, what
// is outside of them goes. DATA_LOSS, naming `path`, for bytes that are no text in either encoding (they contain NUL).
Result<std::string> BookText(const std::string& path, std::string_view bytes);

}  // namespace still::shards
