#include "shards/text/books.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <filesystem>

#include "common/progress.h"
#include "common/storage/files.h"
#include "shards/text/html_entities.h"

namespace still::shards {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsUtf8(std::string_view bytes) {
  ByteProgress progress;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t begin = i;
    UChar32 code_point;
    U8_NEXT(bytes.data(), i, bytes.size(), code_point);
    if (code_point < 0) return false;
    progress.Add(i - begin);
  }
  return true;
}

std::string FromWindows1252(std::string_view bytes) {
  // The code points of 0x80 to 0x9F, 0 where the encoding has none. All other bytes are Latin-1. The converter of ICU
  // is not used: it turns the five unassigned bytes into control characters, which would change the bytes of a corpus.
  static constexpr char32_t kHigh[32] = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                         0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                         0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                         0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  ByteProgress progress;
  for (const char c : bytes) {
    progress.Add(1);
    const auto byte = static_cast<unsigned char>(c);
    const char32_t code_point = byte >= 0x80 && byte < 0xA0 ? kHigh[byte - 0x80] : byte;
    if (code_point != 0) AppendUtf8(code_point, &out);
  }
  return out;
}

enum class Marker { kNone, kStart, kEnd };

// "*** START OF THE PROJECT GUTENBERG EBOOK X ***", "End of Project Gutenberg's X", "*END*THE SMALL PRINT! ...".
Marker MarkerOf(std::string_view line) {
  if (line.starts_with("*END*THE SMALL PRINT") || line.starts_with("*END THE SMALL PRINT")) return Marker::kStart;
  if (line.starts_with("End of Project Gutenberg") || line.starts_with("End of the Project Gutenberg")) {
    return Marker::kEnd;
  }
  if (!line.starts_with("***") || line.find("PROJECT GUTENBERG") == std::string_view::npos) return Marker::kNone;
  const std::string_view words = line.substr(std::min(line.find_first_not_of("* "), line.size()));
  if (words.starts_with("START OF TH")) return Marker::kStart;
  return words.starts_with("END OF TH") ? Marker::kEnd : Marker::kNone;
}

bool IsBook(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension();
  return extension.empty() || extension == ".txt";
}

}  // namespace

Result<std::vector<BookFile>> ListBooks(const std::vector<std::string>& paths) {
  std::vector<BookFile> books;
  for (const std::string& path : paths) {
    STILL_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFilesRecursively(path));
    const bool is_file = files.size() == 1 && files[0] == path;
    std::size_t parent = path.find_last_not_of('/');
    parent = parent == std::string::npos ? path.size() : path.find_last_of('/', parent) + 1;
    const std::size_t before = books.size();
    for (const std::string& file : files) {
      if (is_file || IsBook(file)) books.push_back({file, file.substr(parent)});
    }
    if (books.size() == before)
      return Error(Code::kNotFound, "{}: no *.txt or extensionless file in this directory", path);
  }
  return books;
}

Result<std::string> BookText(const std::string& path, std::string_view bytes) {
  if (const std::size_t nul = bytes.find('\0'); nul != std::string_view::npos) {
    return Error(Code::kDataLoss, "{}: byte {} is NUL: not a text file in UTF-8 or Windows-1252; convert or remove it",
                 path, nul);
  }
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  const std::string decoded = IsUtf8(bytes) ? std::string() : FromWindows1252(bytes);
  std::string_view rest = decoded.empty() ? bytes : decoded;
  std::string text;
  text.reserve(rest.size());
  bool in_paragraph = false;
  ByteProgress progress;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    progress.Add(end);
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + (rest.substr(end).starts_with("\r\n") ? 2 : 1)));
    const std::size_t first = std::min(line.find_first_not_of(" \t\f\v"), line.size());
    line = line.substr(first, line.find_last_not_of(" \t\f\v") + 1 - first);
    const Marker marker = MarkerOf(line);
    if (marker == Marker::kEnd) break;
    if (marker == Marker::kStart) {
      text.clear();
      in_paragraph = false;
      continue;
    }
    if (!line.empty()) {
      if (!text.empty()) text.push_back(in_paragraph ? ' ' : '\n');
      text.append(line);
    }
    in_paragraph = !line.empty();
  }
  if (!text.empty()) text.push_back('\n');
  return text;
}

}  // namespace still::shards
