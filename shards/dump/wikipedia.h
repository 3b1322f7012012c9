// Reads MediaWiki export dumps (pages-articles .xml.bz2): pages in file order, in memory bounded by the longest page.
// The <sha1> of every revision is compared with the SHA-1 of the text as parsed. This proves decompression, XML parsing
// and unescaping end to end. No other file uses expat.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "shards/dump/bz2_reader.h"

namespace still::shards {

struct WikipediaPage {
  std::uint64_t id = 0;
  std::string title;
  std::int64_t name_space = 0;
  bool redirect = false;
  std::string text;  // wikitext of the page's last revision in the dump
  Sha1Digest sha1{};
  std::uint64_t byte_offset = 0;  // of <page> in the decompressed XML of the split

  // Returns true for a page of prose: it is in the main namespace, and does not just point to another page.
  bool IsArticle() const { return name_space == 0 && !redirect; }
};

struct WikipediaCounts {
  std::uint64_t pages = 0;
  std::uint64_t articles = 0;
  std::uint64_t redirects = 0;
  std::uint64_t sha1_verified = 0;  // revisions
  std::uint64_t sha1_missing = 0;   // revisions without <sha1>: the wiki hides their text, or the dump has none
};

// Called with each page and the number of compressed bytes read so far. An error ends the reading and is returned.
using WikipediaPageSink = std::function<Status(WikipediaPage&& page, std::uint64_t compressed_bytes)>;

// The report of a reader of one split about its edges. A dump may be read in splits, each a range of its compressed
// bytes. The text of a split is that of the bzip2 blocks that begin in its range. Its pages are those that begin in its
// text; the last one may end beyond. Where its first page begins is a guess: at the first "<page>", as "<" is escaped
// inside of text. CheckDumpJoins proves that all guesses were right and nothing is lost between two splits.
struct DumpJoin {
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  Bz2Join blocks;
  std::uint64_t pages_from = kNowhere;  // offset in its text of its first page; kNowhere when there is none
  std::uint64_t pages_to = kNowhere;    // offset of the first page beyond it; kNowhere when there is none

  bool operator==(const DumpJoin&) const = default;
};

// The result of reading one split, beside its pages.
struct WikipediaSplit {
  WikipediaCounts counts;
  DumpJoin join;
};

// Reads the pages of the split of compressed bytes [begin, end). Their byte_offset counts from the beginning of the
// split's text. DATA_LOSS, naming file and place, for damaged bzip2, malformed XML, an end in the middle of a page, and
// a wrong <sha1>. A DOCTYPE is DATA_LOSS too: no export has one, and it could declare entities that expand without
// bound.
Result<WikipediaSplit> ReadWikipediaSplit(const std::string& path, std::uint64_t begin, std::uint64_t end,
                                          const WikipediaPageSink& sink);

// Returns where in the decompressed XML the text of each split begins. `joins` are those of all splits of a dump of
// `size` compressed bytes, in order. DATA_LOSS, naming the place, when two splits do not meet or the checksum of a
// stream is wrong.
Result<std::vector<std::uint64_t>> CheckDumpJoins(const std::string& path, std::uint64_t size,
                                                  std::span<const DumpJoin> joins);

}  // namespace still::shards
