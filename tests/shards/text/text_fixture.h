// Files for the tests of the text path: a scratch directory, bzip2 files, and the path of the demo data.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/digest.h"
#include "shards/dump/wikipedia.h"
#include "tests/testing/bzip2.h"
#include "tests/testing/temp_directory.h"

namespace still::shards {

class TextFixture : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::filesystem::path path = std::filesystem::path(directory_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  still::testing::TempDirectory scratch_;
  const std::string directory_ = scratch_.path();
};

using testing::Compressed;

// Compresses every `bytes_each` bytes as a stream of their own, to get small blocks.
inline std::string CompressedInStreams(const std::string& bytes, std::size_t bytes_each) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += bytes_each) out += Compressed(bytes.substr(at, bytes_each));
  return out;
}

// Returns characters whose UTF-8 makes a bzip2 block contain the 48 bits of `magic`. A block begins with maps of the
// bytes that occur in it, with 16 bits per 16 bytes. The characters set the maps of the bytes 0x80 to 0xAF.
inline std::string CharactersThatSpell(std::uint64_t magic) {
  std::string text;
  for (int i = 0; i < 48; ++i) {
    if ((magic >> (47 - i) & 1) != 0) text += {'\xC3', static_cast<char>(0x80 + i)};
  }
  return text;
}

// Returns the XML of a page. `text` must need no XML escaping.
inline std::string PageXml(int id, const std::string& title, const std::string& text, const std::string& extra = "") {
  return "<page><title>" + title + "</title><ns>0</ns><id>" + std::to_string(id) + "</id>" + extra +
         "<revision><id>7</id><contributor><id>8</id></contributor><text xml:space=\"preserve\">" + text +
         "</text><sha1>" + Base36(Sha1Of(text)) + "</sha1></revision></page>\n";
}
inline std::string DumpXml(const std::string& pages) {
  return "<mediawiki>\n<siteinfo><sitename>Test</sitename></siteinfo>\n" + pages + "</mediawiki>\n";
}

// Reads all pages of a dump, as one split.
inline Result<WikipediaCounts> ReadWikipedia(const std::string& path, const WikipediaPageSink& sink) {
  STILL_ASSIGN_OR_RETURN(const WikipediaSplit split, ReadWikipediaSplit(path, 0, DumpJoin::kNowhere, sink));
  return split.counts;
}

// Returns the path of a file of the demo data, or "" when scripts/fetch_demo_data.sh has not run.
inline std::string DemoData(const std::string& name) {
  const char* set = std::getenv("STILLHOUSE_DATA");
  const std::string path = std::string(set != nullptr ? set : STILLHOUSE_SOURCE_DIR "/out/data") + "/" + name;
  return std::filesystem::exists(path) ? path : "";
}

#define STILL_NEED_DEMO_DATA(variable, name)   \
  const std::string variable = DemoData(name); \
  if (variable.empty()) GTEST_SKIP() << "no demo data: run scripts/fetch_demo_data.sh"

}  // namespace still::shards
