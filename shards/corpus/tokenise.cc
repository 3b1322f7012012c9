#include "shards/corpus/tokenise.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/storage/files.h"
#include "shards/dump/wikipedia.h"
#include "shards/text/books.h"
#include "shards/text/wikitext.h"

namespace still::shards {
namespace {

constexpr std::size_t kTextAtOnce = std::size_t{1} << 20;

class Tokenisation {
 public:
  Tokenisation(const Tokenizer& tokenizer, const std::function<Status(const CorpusProgress&)>& on_progress,
               SplitBuilder* split)
      : tokenizer_(tokenizer), on_progress_(on_progress), split_(split) {}

  Status ReadDump(const InputSplit& input) {
    const std::string source = std::filesystem::path(input.dump).filename();
    const auto add_page = [&](WikipediaPage&& page, std::uint64_t compressed_bytes) -> Status {
      // The last page may end beyond the split.
      STILL_RETURN_IF_ERROR(Report(std::clamp(compressed_bytes, input.begin, input.end) - input.begin));
      if (!page.IsArticle()) return Ok();
      return AddDocument({.source = source, .byte_offset = page.byte_offset, .page_id = page.id, .sha1 = page.sha1},
                         page.title + "\n" + PlainText(page.text), /*input_bytes=*/0);
    };
    STILL_ASSIGN_OR_RETURN(const WikipediaSplit read, ReadWikipediaSplit(input.dump, input.begin, input.end, add_page));
    split_->SetDump(read);
    return Report(input.input_bytes);
  }

  Status ReadBook(const BookFile& book) {
    STILL_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(book.path));
    STILL_ASSIGN_OR_RETURN(const std::string text, BookText(book.path, bytes));
    const std::uint64_t end = progress_.input_bytes + bytes.size();
    if (!text.empty()) {
      split_->AddBook();
      STILL_RETURN_IF_ERROR(AddDocument({.source = book.source, .sha1 = Sha1Of(bytes)}, text, bytes.size()));
    }
    return Report(end);
  }

 private:
  // Tokenises `text` in parts, as a book may have hundreds of megabytes. `input_bytes` were read for the document and
  // are not reported yet.
  Status AddDocument(const DocumentInfo& document, std::string_view text, std::uint64_t input_bytes) {
    tokens_.clear();
    const std::uint64_t begin = progress_.input_bytes;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t space = text.find_first_of(" \n", at + kTextAtOnce);  // so that no word is cut
      const std::size_t end = space == text.npos ? text.size() : space + 1;
      tokenizer_.Encode(text.substr(at, end - at), &tokens_);
      at = end;
      const double part = static_cast<double>(at) / static_cast<double>(text.size());
      STILL_RETURN_IF_ERROR(Report(begin + static_cast<std::uint64_t>(part * static_cast<double>(input_bytes))));
    }
    split_->AddDocument(document, text, tokens_);
    return Ok();
  }

  Status Report(std::uint64_t input_bytes) {
    progress_ = {.input_bytes = input_bytes, .documents = split_->documents(), .tokens = split_->tokens()};
    return on_progress_(progress_);
  }

  const Tokenizer& tokenizer_;
  const std::function<Status(const CorpusProgress&)>& on_progress_;
  SplitBuilder* split_;
  CorpusProgress progress_;
  std::vector<TokenId> tokens_;
};

}  // namespace

Status TokeniseSplit(const InputSplit& input, const Tokenizer& tokenizer,
                     const std::function<Status(const CorpusProgress&)>& on_progress, SplitBuilder* split) {
  Tokenisation tokenisation(tokenizer, on_progress, split);
  if (!input.dump.empty()) return tokenisation.ReadDump(input);
  for (const BookFile& book : input.books) STILL_RETURN_IF_ERROR(tokenisation.ReadBook(book));
  return Ok();
}

}  // namespace still::shards
