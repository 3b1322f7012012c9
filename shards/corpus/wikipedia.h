// Reader of MediaWiki export dumps (pages-articles .xml.bz2): pages in file order, in memory bounded by the longest
// page. Every revision's <sha1> is compared with the SHA-1 of the text as parsed, which proves decompression, XML
// parsing and unescaping end to end. The only owner of expat.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/digest.h"
#include "common/status.h"

namespace still::shards {

struct WikipediaPage {
  std::uint64_t id = 0;
  std::string title;
  std::int64_t name_space = 0;
  bool redirect = false;
  std::string text;  // wikitext of the page's last revision in the dump
  Sha1Digest sha1{};
  std::uint64_t byte_offset = 0;  // of <page> in the decompressed XML

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

// Called with each page and the compressed bytes read so far; an error ends the reading and is returned as it is.
using WikipediaPageSink = std::function<Status(WikipediaPage&& page, std::uint64_t compressed_bytes)>;

// DATA_LOSS, naming file and place, for damaged bzip2, malformed XML, an end in mid-page, a wrong <sha1>, and for a
// DOCTYPE, which no export has and which could declare entities that expand without bound.
Result<WikipediaCounts> ReadWikipedia(const std::string& path, const WikipediaPageSink& sink);

}  // namespace still::shards
