// BERT's WordPiece tokenizer. It gives the same ids as BertWordPieceTokenizer of the `tokenizers` wheel, which is what
// users of bert-base-uncased run.
//
// So it differs from Google's original in four ways. Private-use characters vanish. Words above 100 characters are
// unknown. Greek capital sigma always becomes σ. Character classes are those of Unicode 8: a later character is neither
// punctuation, nor a mark, nor a control. Special tokens are never recognised in text: an article that mentions "[SEP]"
// gets "[", "sep", "]".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "shards/text/tokens.h"

namespace still::shards {

// A vocabulary and the rules that apply it. Immutable and thread-safe.
class Tokenizer {
 public:
  // Reads a vocabulary with one piece per line; the id of a piece is its line number, counted from 0. NOT_FOUND when
  // there is no such file. DATA_LOSS, naming file and line, for a duplicate, a missing special token, CRLF line ends,
  // an empty line or file, or more than 65,535 pieces.
  static Result<Tokenizer> Load(const std::string& vocab_path, bool lowercase);

  // Appends the ids of the pieces of `utf8`, without [CLS] and [SEP]. Bytes that are not UTF-8 are skipped.
  void Encode(std::string_view utf8, std::vector<TokenId>* out) const;

  // Returns the bytes of the vocabulary file.
  const std::string& vocabulary() const { return *vocabulary_; }
  std::string_view Piece(TokenId id) const { return pieces_[id]; }
  std::uint32_t vocabulary_size() const { return static_cast<std::uint32_t>(pieces_.size()); }
  const SpecialTokens& special_tokens() const { return special_; }
  // Returns a digest of the vocabulary, the case rule and the version of these rules. It changes whenever the ids of
  // some text could.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  // Pieces by the hash of their bytes, in open addressing. A look-up allocates nothing and needs only the hash of a
  // prefix. One pass over a word gives the hashes of all its prefixes.
  class PieceTable {
   public:
    void Reserve(std::size_t pieces);
    void Insert(std::string_view piece, TokenId id);
    // Returns the id of the piece, or -1.
    std::int32_t Find(std::uint64_t hash, std::string_view piece) const;
    std::size_t longest() const { return longest_; }

   private:
    struct Slot {
      std::uint64_t hash = 0;
      std::string_view piece;  // null data where empty
      TokenId id = 0;
    };
    std::vector<Slot> slots_;
    std::size_t longest_ = 0;
  };

  class WordReader;

  Tokenizer() = default;
  Status ReadVocabulary(const std::string& path);
  void EncodeWord(std::string_view word, std::vector<TokenId>* out) const;

  bool lowercase_ = true;
  std::shared_ptr<const std::string> vocabulary_;  // the file's bytes; pieces are views into it
  std::vector<std::string_view> pieces_;           // by id
  PieceTable first_pieces_;                        // pieces that begin a word
  PieceTable next_pieces_;                         // pieces written ##x, without the ##
  SpecialTokens special_;
  std::string fingerprint_;
};

}  // namespace still::shards
