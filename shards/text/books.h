// Turns book files into plain text: UTF-8, LF line ends, one paragraph per line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still::shards {

struct BookFile {
  std::string path;
  std::string source;  // path below the parent of the listed directory: the same on every host
};

// Returns the book files at `paths`. A directory stands for the regular files below it that end in .txt or have no
// extension, in the order of their paths. NOT_FOUND for a missing path or a directory without such files.
Result<std::vector<BookFile>> ListBooks(const std::vector<std::string>& paths);

// Returns the text of a book file's bytes. A file that is not valid UTF-8 is read as Windows-1252, the encoding of old
// English e-texts. A byte-order mark is dropped. CRLF and bare CR end a line like LF. Blank lines separate paragraphs,
// and the lines of a paragraph are joined by spaces. Text outside of Project Gutenberg's START, END and "small print"
// markers is dropped. DATA_LOSS, naming `path`, when the bytes contain NUL and so are text in neither encoding.
Result<std::string> BookText(const std::string& path, std::string_view bytes);

}  // namespace still::shards
