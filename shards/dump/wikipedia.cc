#include "shards/dump/wikipedia.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "common/parse_number.h"

namespace still::shards {
namespace {

constexpr std::string_view kPage = "<page>";
constexpr std::string_view kRoot = "<mediawiki>";  // stands before the pages of a split
// MediaWiki refuses texts above 2 MiB; a field beyond this is a dump whose closing tags are lost.
constexpr std::size_t kMaximumFieldBytes = 64u << 20;

// The XML of a dump, or of a split of it, as it comes. Elements are told apart by depth and parent, as <id> occurs at
// three levels: mediawiki(1) / page(2) / {title, ns, id, redirect, revision}(3) / {text, sha1}(4).
class DumpParser {
 public:
  DumpParser(const std::string& path, const WikipediaPageSink& sink) : path_(path), sink_(sink) {}

  // The input is the dump from its beginning or, for `split`, its text from `offset` on, where a page begins.
  Status Begin(bool split, std::uint64_t offset, std::uint64_t compressed_offset) {
    parser_.reset(XML_ParserCreate("UTF-8"));
    if (parser_ == nullptr) return Error(Code::kResourceExhausted, "{}: no memory for an XML parser", path_);
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(
        parser_.get(),
        [](void* self, const char* name, const char** attributes) {
          static_cast<DumpParser*>(self)->StartElement(name, attributes);
        },
        [](void* self, const char*) { static_cast<DumpParser*>(self)->EndElement(); });
    XML_SetCharacterDataHandler(parser_.get(), [](void* self, const char* data, int size) {
      static_cast<DumpParser*>(self)->CharacterData({data, static_cast<std::size_t>(size)});
    });
    XML_SetStartDoctypeDeclHandler(parser_.get(), [](void* self, const char*, const char*, const char*, int) {
      auto* parser = static_cast<DumpParser*>(self);
      parser->Fail(parser->Damaged("a DOCTYPE, which a MediaWiki export never has"));
    });
    if (!split) return Ok();
    offset_ = offset - kRoot.size();
    place_ = fmt::format(" from the first page after compressed byte {}", compressed_offset);
    return Parse(kRoot, /*last=*/false, compressed_offset);
  }
  bool begun() const { return parser_ != nullptr; }

  // Parses more text. `compressed_bytes` of the file have been read by now.
  Status Parse(std::string_view text, bool last, std::uint64_t compressed_bytes) {
    compressed_bytes_ = compressed_bytes;
    if (XML_Parse(parser_.get(), text.data(), static_cast<int>(text.size()), last) == XML_STATUS_OK) return Ok();
    if (!failure_.ok()) return failure_;
    if (pages_to_ != DumpJoin::kNowhere) return Ok();
    return Damaged(XML_ErrorString(XML_GetErrorCode(parser_.get())));
  }

  // Ends the parsing at the first page that begins at or after `offset`. pages_to() is where that page begins, and
  // kNowhere until it is seen.
  void EndAt(std::uint64_t offset) { end_ = offset; }
  std::uint64_t pages_to() const { return pages_to_; }

  const WikipediaCounts& counts() const { return counts_; }

 private:
  struct FreeParser {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  // expat may still deliver a few events after XML_StopParser.
  bool stopped() const { return !failure_.ok() || pages_to_ != DumpJoin::kNowhere; }

  void StartElement(std::string_view name, const char** attributes) {
    if (stopped()) return;
    ++depth_;
    if (depth_ == 2 && name == "page") {
      const std::uint64_t offset = offset_ + static_cast<std::uint64_t>(XML_GetCurrentByteIndex(parser_.get()));
      if (offset >= end_) {
        pages_to_ = offset;
        XML_StopParser(parser_.get(), XML_FALSE);
        return;
      }
      page_ = WikipediaPage{};
      page_.byte_offset = offset;
      in_page_ = true;
    } else if (depth_ == 3 && in_page_) {
      StartOfPageField(name);
    } else if (depth_ == 4 && in_revision_) {
      if (name == "text") {
        // Newer exports repeat the digest here; with several slots only this one is of the text alone.
        for (; *attributes != nullptr; attributes += 2) {
          if (std::string_view(*attributes) == "sha1") text_sha1_ = attributes[1];
        }
        Capture(&page_.text);
      } else if (name == "sha1") {
        Capture(&revision_sha1_);
      }
    }
  }

  void StartOfPageField(std::string_view name) {
    if (name == "title") {
      Capture(&page_.title);
    } else if (name == "ns") {
      Capture(&name_space_);
    } else if (name == "id") {
      Capture(&id_);
    } else if (name == "redirect") {
      page_.redirect = true;
    } else if (name == "revision") {
      in_revision_ = true;
      page_.text.clear();
      text_sha1_.clear();
      revision_sha1_.clear();
    }
  }

  void EndElement() {
    if (stopped()) return;
    if (depth_ == capture_depth_) capture_depth_ = 0;
    if (depth_ == 3 && in_revision_) {
      in_revision_ = false;
      Check(VerifyRevision());
    } else if (depth_ == 2 && in_page_) {
      in_page_ = false;
      Check(EndOfPage());
    }
    --depth_;
  }

  void Capture(std::string* field) {
    field->clear();
    capture_ = field;
    capture_depth_ = depth_;
  }

  // expat hands out character data in parts: at line ends, at entities, at buffer ends.
  void CharacterData(std::string_view data) {
    if (stopped() || depth_ != capture_depth_) return;
    if (capture_->size() + data.size() > kMaximumFieldBytes) return Fail(Damaged("an element of more than 64 MiB"));
    capture_->append(data);
  }

  Status VerifyRevision() {
    const std::string& expected = text_sha1_.empty() ? revision_sha1_ : text_sha1_;
    page_.sha1 = Sha1Of(page_.text);
    if (expected.empty()) {
      ++counts_.sha1_missing;
      return Ok();
    }
    const std::string actual = Base36(page_.sha1);
    if (actual != expected) {
      return Damaged(fmt::format("the text's SHA-1 is {} but <sha1> says {}", actual, expected));
    }
    ++counts_.sha1_verified;
    return Ok();
  }

  Status EndOfPage() {
    if (!ParseNumber(id_, &page_.id)) return Damaged(fmt::format("page <id> is '{}', not a number", id_));
    if (!ParseNumber(name_space_, &page_.name_space)) {
      return Damaged(fmt::format("page <ns> is '{}', not a number", name_space_));
    }
    ++counts_.pages;
    if (page_.redirect) ++counts_.redirects;
    if (page_.IsArticle()) ++counts_.articles;
    id_.clear();
    name_space_.clear();
    return sink_(std::move(page_), compressed_bytes_);
  }

  // Returns the failure at the place of the parser, with the page that it is in.
  Status Damaged(std::string_view what) const {
    const std::string page =
        in_page_ || !page_.title.empty() ? fmt::format(" in page {} '{}'", id_.empty() ? "?" : id_, page_.title) : "";
    return Error(Code::kDataLoss, "{}: XML line {}{}{}: {}; the file is damaged or incomplete: fetch it again", path_,
                 XML_GetCurrentLineNumber(parser_.get()), place_, page, what);
  }

  void Check(Status status) {
    if (!status.ok()) Fail(std::move(status));
  }
  void Fail(Status status) {
    if (failure_.ok()) failure_ = std::move(status);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  const std::string& path_;
  const WikipediaPageSink& sink_;
  std::unique_ptr<XML_ParserStruct, FreeParser> parser_;
  std::string place_;         // says in messages where the counting of lines began
  std::uint64_t offset_ = 0;  // of the first byte parsed in the text, modulo 2^64: the root stands before it
  std::uint64_t end_ = DumpJoin::kNowhere;
  std::uint64_t pages_to_ = DumpJoin::kNowhere;
  std::uint64_t compressed_bytes_ = 0;
  WikipediaCounts counts_;
  Status failure_;

  int depth_ = 0;
  bool in_page_ = false;
  bool in_revision_ = false;
  std::string* capture_ = nullptr;
  int capture_depth_ = 0;  // depth of the element whose text goes to *capture_; 0 when there is none

  WikipediaPage page_;
  std::string id_;
  std::string name_space_;
  std::string text_sha1_;
  std::string revision_sha1_;
};

// Feeds a parser with the blocks of a split, and with those after it that its last page needs.
class SplitReader {
 public:
  SplitReader(Bz2Reader& blocks, std::uint64_t begin, std::uint64_t end, const WikipediaPageSink& sink)
      : blocks_(blocks), begin_(begin), end_(end), parser_(blocks.path(), sink) {}

  Result<WikipediaSplit> Run() {
    if (begin_ == 0) {
      split_.join.pages_from = 0;
      STILL_RETURN_IF_ERROR(parser_.Begin(/*split=*/false, 0, 0));
    }
    std::string text;
    while (true) {
      if (!whole_ && (blocks_.AtEnd() || compressed_offset() >= end_)) {
        whole_ = true;
        split_.join.blocks = blocks_.join();
        parser_.EndAt(blocks_.join().text_bytes);
      }
      if (whole_ && !parser_.begun() && !PageMayBegin()) break;
      STILL_ASSIGN_OR_RETURN(const bool more, blocks_.Next(&text));
      if (!more) {
        if (parser_.begun()) STILL_RETURN_IF_ERROR(parser_.Parse("", /*last=*/true, compressed_offset()));
        break;
      }
      if (parser_.begun()) {
        STILL_RETURN_IF_ERROR(parser_.Parse(text, /*last=*/false, compressed_offset()));
      } else {
        STILL_RETURN_IF_ERROR(FindFirstPage(text));
      }
      if (parser_.pages_to() != DumpJoin::kNowhere) break;
    }
    split_.join.pages_to = parser_.pages_to();
    split_.counts = parser_.counts();
    return split_;
  }

 private:
  std::uint64_t compressed_offset() const { return blocks_.next_bit() / 8; }

  // Returns true when the text so far ends inside of a "<page>" that began in the split.
  bool PageMayBegin() const {
    const std::size_t at = seen_.rfind('<');
    return at != seen_.npos && kPage.starts_with(std::string_view(seen_).substr(at)) &&
           blocks_.join().text_bytes - (seen_.size() - at) < split_.join.blocks.text_bytes;
  }

  Status FindFirstPage(std::string_view text) {
    seen_ += text;
    const std::uint64_t offset = blocks_.join().text_bytes - seen_.size();
    const std::size_t at = seen_.find(kPage);
    if (at == seen_.npos) {
      seen_.erase(0, seen_.size() - std::min(seen_.size(), kPage.size() - 1));
      return Ok();
    }
    if (whole_ && offset + at >= split_.join.blocks.text_bytes) {
      seen_.clear();
      return Ok();
    }
    split_.join.pages_from = offset + at;
    STILL_RETURN_IF_ERROR(parser_.Begin(/*split=*/true, offset + at, blocks_.join().first_bit / 8));
    return parser_.Parse(std::string_view(seen_).substr(at), /*last=*/false, compressed_offset());
  }

  Bz2Reader& blocks_;
  std::uint64_t begin_;
  std::uint64_t end_;
  DumpParser parser_;
  bool whole_ = false;  // all blocks of the split have been read
  std::string seen_;    // the last bytes, until a page begins
  WikipediaSplit split_;
};

}  // namespace

Result<WikipediaSplit> ReadWikipediaSplit(const std::string& path, std::uint64_t begin, std::uint64_t end,
                                          const WikipediaPageSink& sink) {
  STILL_ASSIGN_OR_RETURN(const auto blocks, begin == 0 ? Bz2Reader::Open(path) : Bz2Reader::OpenAt(path, begin, end));
  return SplitReader(*blocks, begin, end, sink).Run();
}

Result<std::vector<std::uint64_t>> CheckDumpJoins(const std::string& path, std::uint64_t size,
                                                  std::span<const DumpJoin> joins) {
  std::vector<std::uint64_t> text_begins;
  std::uint64_t bit = 0;
  std::uint64_t offset = 0;
  std::uint64_t page = 0;  // where the pages of the next split that has any must begin
  Bz2Join::Blocks stream;
  const auto lost = [&] { return Bz2Damaged(path, bit / 8, size, "a block's checksum or structure is wrong"); };
  const auto astray = [&](std::uint64_t at) {
    return Error(Code::kDataLoss,
                 "{}: byte {} of the XML: <page> does not stand between two pages; the file is damaged or incomplete: "
                 "fetch it again",
                 path, at);
  };
  for (const DumpJoin& join : joins) {
    text_begins.push_back(offset);
    const Bz2Join& blocks = join.blocks;
    if (blocks.first_bit == blocks.last_bit) continue;  // no block begins here
    if (blocks.first_bit != bit) return lost();
    if (blocks.ended != 0) {
      stream.Add(blocks.head);
      if (stream.crc != blocks.stream_crc) return Bz2Damaged(path, bit / 8, size, "a stream's checksum is wrong");
      stream = {};
    }
    stream.Add(blocks.tail);
    bit = blocks.last_bit;
    if (join.pages_from != DumpJoin::kNowhere) {
      if (offset + join.pages_from != page) return astray(offset + join.pages_from);
      page = join.pages_to == DumpJoin::kNowhere ? join.pages_to : offset + join.pages_to;
    }
    offset += blocks.text_bytes;
  }
  if (bit != size * 8) return lost();
  if (page != DumpJoin::kNowhere) return astray(page);
  return text_begins;
}

}  // namespace still::shards
