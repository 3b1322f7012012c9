#include "shards/corpus/tokenise.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/files.h"
#include "shards/corpus/books.h"
#include "shards/corpus/wikipedia.h"
#include "shards/corpus/wikitext.h"

namespace still::shards {
namespace {

class Tokenisation {
 public:
  Tokenisation(const Tokenizer& tokenizer, const std::function<Status(const CorpusProgress&)>& on_progress,
               PieceBuilder* piece)
      : tokenizer_(tokenizer), on_progress_(on_progress), piece_(piece) {}

  Status ReadDump(const InputPiece& input) {
    const std::string source = std::filesystem::path(input.dump).filename();
    const auto add_page = [&](WikipediaPage&& page, std::uint64_t compressed_bytes) -> Status {
      // The last page may end beyond the piece.
      STILL_RETURN_IF_ERROR(Report(std::clamp(compressed_bytes, input.begin, input.end) - input.begin));
      if (!page.IsArticle()) return Ok();
      AddDocument({.source = source, .byte_offset = page.byte_offset, .page_id = page.id, .sha1 = page.sha1},
                  page.title + "\n" + PlainText(page.text));
      return Ok();
    };
    STILL_ASSIGN_OR_RETURN(const WikipediaPiece read, ReadWikipediaPiece(input.dump, input.begin, input.end, add_page));
    piece_->SetDump(read);
    return Report(input.input_bytes);
  }

  Status ReadBook(const BookFile& book) {
    STILL_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(book.path));
    STILL_ASSIGN_OR_RETURN(const std::string text, BookText(book.path, bytes));
    if (!text.empty()) {
      piece_->AddBook();
      AddDocument({.source = book.source, .sha1 = Sha1Of(bytes)}, text);
    }
    return Report(progress_.input_bytes + bytes.size());
  }

 private:
  void AddDocument(const DocumentInfo& document, std::string_view text) {
    tokens_.clear();
    tokenizer_.Encode(text, &tokens_);
    piece_->AddDocument(document, text, tokens_);
  }

  Status Report(std::uint64_t input_bytes) {
    progress_ = {.input_bytes = input_bytes, .documents = piece_->documents(), .tokens = piece_->tokens()};
    return on_progress_(progress_);
  }

  const Tokenizer& tokenizer_;
  const std::function<Status(const CorpusProgress&)>& on_progress_;
  PieceBuilder* piece_;
  CorpusProgress progress_;
  std::vector<TokenId> tokens_;
};

}  // namespace

Status TokenisePiece(const InputPiece& input, const Tokenizer& tokenizer,
                     const std::function<Status(const CorpusProgress&)>& on_progress, PieceBuilder* piece) {
  Tokenisation tokenisation(tokenizer, on_progress, piece);
  if (!input.dump.empty()) return tokenisation.ReadDump(input);
  for (const BookFile& book : input.books) STILL_RETURN_IF_ERROR(tokenisation.ReadBook(book));
  return Ok();
}

}  // namespace still::shards
