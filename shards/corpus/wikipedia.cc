#include "shards/corpus/wikipedia.h"

#include <expat.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "shards/corpus/bz2_stream.h"

namespace still::shards {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
// MediaWiki refuses texts above 2 MiB; a field beyond this is a dump whose closing tags are lost.
constexpr std::size_t kMaximumFieldBytes = 64u << 20;

// The state of one pass over a dump. Elements are told apart by depth and parent, as <id> occurs at three levels:
// mediawiki(1) / page(2) / {title, ns, id, redirect, revision}(3) / {text, sha1}(4).
class DumpParser {
 public:
  DumpParser(Bz2Stream& stream, const WikipediaPageSink& sink) : stream_(stream), sink_(sink) {}

  Result<WikipediaCounts> Run() {
    parser_.reset(XML_ParserCreate("UTF-8"));
    if (parser_ == nullptr) return Error(Code::kResourceExhausted, "{}: no memory for an XML parser", stream_.path());
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
    bool last = false;
    while (!last) {
      char* buffer = static_cast<char*>(XML_GetBuffer(parser_.get(), static_cast<int>(kReadBytes)));
      if (buffer == nullptr) return Error(Code::kResourceExhausted, "{}: no memory to parse XML", stream_.path());
      STILL_ASSIGN_OR_RETURN(const std::size_t size, stream_.Read({buffer, kReadBytes}));
      last = size == 0;
      if (XML_ParseBuffer(parser_.get(), static_cast<int>(size), last) != XML_STATUS_OK) {
        if (!failure_.ok()) return failure_;
        return Damaged(XML_ErrorString(XML_GetErrorCode(parser_.get())));
      }
    }
    return counts_;
  }

 private:
  struct FreeParser {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  // expat may still deliver a few events after XML_StopParser.
  bool stopped() const { return !failure_.ok(); }

  void StartElement(std::string_view name, const char** attributes) {
    if (stopped()) return;
    ++depth_;
    if (depth_ == 2 && name == "page") {
      page_ = WikipediaPage{};
      page_.byte_offset = static_cast<std::uint64_t>(XML_GetCurrentByteIndex(parser_.get()));
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

  // expat hands out character data in pieces: at line ends, at entities, at buffer ends.
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
    return sink_(std::move(page_), stream_.compressed_offset());
  }

  template <typename Number>
  static bool ParseNumber(const std::string& text, Number* value) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, *value);
    return error == std::errc() && stop == end;
  }

  // The failure at the parser's place, with the page it is in.
  Status Damaged(std::string_view what) const {
    const std::string page =
        in_page_ || !page_.title.empty() ? fmt::format(" in page {} '{}'", id_.empty() ? "?" : id_, page_.title) : "";
    return Error(Code::kDataLoss, "{}: XML line {}{}: {}; the file is damaged or incomplete: fetch it again",
                 stream_.path(), XML_GetCurrentLineNumber(parser_.get()), page, what);
  }

  void Check(Status status) {
    if (!status.ok()) Fail(std::move(status));
  }
  void Fail(Status status) {
    if (failure_.ok()) failure_ = std::move(status);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  Bz2Stream& stream_;
  const WikipediaPageSink& sink_;
  std::unique_ptr<XML_ParserStruct, FreeParser> parser_;
  WikipediaCounts counts_;
  Status failure_;

  int depth_ = 0;
  bool in_page_ = false;
  bool in_revision_ = false;
  std::string* capture_ = nullptr;
  int capture_depth_ = 0;  // of the element whose text goes to *capture_; 0 for none

  WikipediaPage page_;
  std::string id_;
  std::string name_space_;
  std::string text_sha1_;
  std::string revision_sha1_;
};

}  // namespace

Result<WikipediaCounts> ReadWikipedia(const std::string& path, const WikipediaPageSink& sink) {
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<Bz2Stream> stream, Bz2Stream::Open(path));
  return DumpParser(*stream, sink).Run();
}

}  // namespace still::shards
