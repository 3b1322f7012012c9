// Reader of MediaWiki export dumps (pages-articles .xml.bz2): pages in file order, in memory bounded by the longest
// page. Every revision's <sha1> is compared with the SHA-1 of the text as parsed, which proves decompression, XML
// parsing and unescaping end to end. The only owner of expat.
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
  std::uint64_t byte_offset = 0;  // of <page> in the decompressed XML (of the split)

  // A page of prose: in the main namespace, and not a mere pointer to another.
  bool IsArticle() const { return name_space == 0 && !redirect; }
};

struct WikipediaCounts {
  std::uint64_t pages = 0;
  std::uint64_t articles = 0;
  std::uint64_t redirects = 0;
  std::uint64_t sha1_verified = 0;  // revisions
  std::uint64_t sha1_missing = 0;   // revisions whose text the wiki has hidden, or dumps that carry no <sha1>
};

// Called with each page and the compressed bytes of the file read so far; an error ends the reading and is returned as
// it is.
using WikipediaPageSink = std::function<Status(WikipediaPage&& page, std::uint64_t compressed_bytes)>;

// DATA_LOSS, naming file and place, for damaged bzip2, malformed XML, an end in mid-page, a wrong <sha1>, and for a
// DOCTYPE, which no export has and which could declare entities that expand without bound.
Result<WikipediaCounts> ReadWikipedia(const std::string& path, const WikipediaPageSink& sink);

// A dump may be read in splits, each a range of its compressed bytes. The text of a split is that of the bzip2 blocks
// that begin in its range, and its pages are those that begin in its text; the last one may end beyond. Where its own
// pages begin is a guess: at the first "<page>", which stands nowhere else, as "<" is escaped inside of text. That all
// guesses were right, and nothing is lost between two splits, is what CheckDumpJoins says.
struct DumpJoin {
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  Bz2Join blocks;
  std::uint64_t pages_from = kNowhere;  // byte in its text, 0 for the first split; kNowhere when no page begins here
  std::uint64_t pages_to = kNowhere;    // where the first page beyond begins; kNowhere when the dump ends before

  bool operator==(const DumpJoin&) const = default;
};

struct WikipediaSplit {
  WikipediaCounts counts;
  DumpJoin join;
};

// Reads the pages of the split of compressed bytes [begin, end). Their byte_offset counts from the beginning of its
// text. Errors as ReadWikipedia.
Result<WikipediaSplit> ReadWikipediaSplit(const std::string& path, std::uint64_t begin, std::uint64_t end,
                                          const WikipediaPageSink& sink);

// Where in the decompressed XML each split's text begins, given all splits of a dump of `size` compressed bytes.
// DATA_LOSS, naming the place, when two of them do not meet, or the checksum of a stream is wrong.
Result<std::vector<std::uint64_t>> CheckDumpJoins(const std::string& path, std::uint64_t size,
                                                  std::span<const DumpJoin> joins);

}  // namespace still::shards
