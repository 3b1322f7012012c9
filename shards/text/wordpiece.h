// BERT's WordPiece tokenizer, equal id for id to BertWordPieceTokenizer of the `tokenizers` wheel, which is what users
// of bert-base-uncased run.
//
// Differences from Google's original that this equality implies: private-use characters vanish, words above 100
// characters are unknown, Greek capital sigma always becomes σ, and character classes are those of Unicode 8: what
// came later is neither punctuation, nor a mark, nor a control. Special tokens are never recognised in text: an article
// that mentions "[SEP]" gets "[", "sep", "]".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "shards/text/tokens.h"

namespace still::shards {

// Immutable; thread-safe.
class Tokenizer {
 public:
  // `vocab_path`: one piece a line, id = line number from 0. INVALID_ARGUMENT, naming file and lines, for a duplicate,
  // a missing special token, CRLF line ends, an empty line or file, or more than 65,535 pieces.
  static Result<Tokenizer> Load(const std::string& vocab_path, bool lowercase);

  // Appends the ids of `utf8`'s pieces; adds no [CLS] or [SEP]. Bytes that are not UTF-8 are skipped.
  void Encode(std::string_view utf8, std::vector<TokenId>* out) const;

  // The bytes of the file.
  const std::string& vocabulary() const { return *vocabulary_; }
  std::string_view Piece(TokenId id) const { return pieces_[id]; }
  std::uint32_t vocabulary_size() const { return static_cast<std::uint32_t>(pieces_.size()); }
  const SpecialTokens& special_tokens() const { return special_; }
  // Changes whenever the ids of some text could: digest of the vocabulary, the case rule, and the version of this code.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  // Pieces by the hash of their bytes: open addressing, so that a look-up allocates nothing and needs only the hash of
  // a prefix, which is known for all prefixes of a word after one pass.
  class PieceTable {
   public:
    void Reserve(std::size_t pieces);
    void Insert(std::string_view piece, TokenId id);
    // The piece's id, or -1.
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
