#include "shards/text/wordpiece.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

#include "common/digest.h"
#include "common/storage/files.h"

namespace still::shards {
namespace {

constexpr std::size_t kMaximumWordCharacters = 100;
constexpr std::size_t kMaximumPieces = 65535;
constexpr std::uint64_t kVersion = 1;  // raised whenever the rules below give other ids

constexpr std::uint64_t kHashStart = 0xCBF29CE484222325;  // FNV-1a
constexpr std::uint64_t ExtendHash(std::uint64_t hash, char byte) {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
}
constexpr std::size_t SlotOf(std::uint64_t hash, std::size_t mask) { return (hash ^ (hash >> 29)) & mask; }

enum class CharacterClass : std::uint8_t { kDropped, kSpace, kPunctuation, kLetter };

constexpr CharacterClass ClassOfAscii(unsigned char c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return CharacterClass::kSpace;
  if (c < 0x20 || c == 0x7F) return CharacterClass::kDropped;
  const bool letter_or_digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return letter_or_digit ? CharacterClass::kLetter : CharacterClass::kPunctuation;
}

constexpr std::array<CharacterClass, 128> kAsciiClasses = [] {
  std::array<CharacterClass, 128> classes{};
  for (unsigned char c = 0; c < 128; ++c) classes[c] = ClassOfAscii(c);
  return classes;
}();

// Returns true for characters of Unicode 8, where the tables of the reference end.
bool KnownToReference(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= 8;
}

// Returns the general category that the reference assigns. Six characters have changed theirs since.
std::uint32_t CategoryMask(char32_t c) {
  if (c == 0x1734) return U_GC_MN_MASK;
  if (c == 0x166D || c == 0x111C9) return U_GC_PO_MASK;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD) return U_GC_LO_MASK;
  const std::uint32_t mask = U_GET_GC_MASK(static_cast<UChar32>(c));
  const bool matters = (mask & (U_GC_CF_MASK | U_GC_MN_MASK | U_GC_P_MASK)) != 0;
  return matters && !KnownToReference(c) ? U_GC_CN_MASK : mask;
}

// Returns true for ideographs, each of which is a word of its own. The sixth range starts at 2B920 in the reference,
// not at 2B820 as in Unicode.
bool IsIdeograph(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kRanges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
                                      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

const UNormalizer2* Nfd() {
  static const UNormalizer2* normalizer = [] {
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2* instance = unorm2_getNFDInstance(&error);
    STILL_CHECK(U_SUCCESS(error), "ICU has no NFD data: its library and data file do not match");
    return instance;
  }();
  return normalizer;
}

}  // namespace

// Takes one character after another, finds words, and encodes each word when it ends.
class Tokenizer::WordReader {
 public:
  WordReader(const Tokenizer& tokenizer, std::vector<TokenId>* out) : tokenizer_(tokenizer), out_(out) {}

  void Ascii(unsigned char c) {
    switch (kAsciiClasses[c]) {
      case CharacterClass::kLetter:
        if (tokenizer_.lowercase_ && c >= 'A' && c <= 'Z') c |= 0x20;
        if (characters_++ < kMaximumWordCharacters) word_[size_++] = static_cast<char>(c);
        return;
      case CharacterClass::kSpace: return EndWord();
      case CharacterClass::kPunctuation:
        EndWord();
        Append(c);
        return EndWord();
      case CharacterClass::kDropped: return;
    }
  }

  void Other(char32_t c) {
    if (u_isUWhiteSpace(static_cast<UChar32>(c)) && c != 0x85) return EndWord();
    if (c == 0xFFFD || (CategoryMask(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0) return;
    const bool ideograph = IsIdeograph(c);
    if (ideograph) EndWord();
    if (tokenizer_.lowercase_) {
      WithoutAccents(c);
    } else {
      Cleaned(c);
    }
    if (ideograph) EndWord();
  }

  void EndWord() {
    if (characters_ == 0) return;
    if (characters_ > kMaximumWordCharacters) {
      out_->push_back(tokenizer_.special_.unknown);
    } else {
      tokenizer_.EncodeWord({word_.data(), size_}, out_);
    }
    characters_ = 0;
    size_ = 0;
  }

 private:
  // Appends the canonical decomposition in lower case, without non-spacing marks. Decomposing one character at a time
  // leaves marks in the order of the text. Only marks that are kept could show this, and those do not reorder in
  // practice.
  void WithoutAccents(char32_t c) {
    std::array<UChar, 32> units;
    UErrorCode error = U_ZERO_ERROR;
    const std::int32_t size = unorm2_getDecomposition(Nfd(), static_cast<UChar32>(c), units.data(),
                                                      static_cast<std::int32_t>(units.size()), &error);
    if (size < 0 || U_FAILURE(error)) return WithoutAccent(c);
    for (std::int32_t i = 0; i < size;) {
      UChar32 part;
      U16_NEXT(units, i, size, part);
      WithoutAccent(static_cast<char32_t>(part));
    }
  }

  void WithoutAccent(char32_t c) {
    if ((CategoryMask(c) & U_GC_MN_MASK) == 0) Cleaned(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
  }

  void Cleaned(char32_t c) {
    if (c < 0x80) return Ascii(static_cast<unsigned char>(c));
    const bool punctuation = (CategoryMask(c) & U_GC_P_MASK) != 0;
    if (punctuation) EndWord();
    Append(c);
    if (punctuation) EndWord();
  }

  void Append(char32_t c) {
    if (characters_++ >= kMaximumWordCharacters) return;
    U8_APPEND_UNSAFE(word_.data(), size_, c);
  }

  const Tokenizer& tokenizer_;
  std::vector<TokenId>* out_;
  std::array<char, kMaximumWordCharacters * 4> word_;
  std::size_t size_ = 0;        // bytes in word_
  std::size_t characters_ = 0;  // in the word, counted beyond the maximum too
};

void Tokenizer::PieceTable::Reserve(std::size_t pieces) { slots_.resize(std::bit_ceil(2 * pieces + 2)); }

void Tokenizer::PieceTable::Insert(std::string_view piece, TokenId id) {
  std::uint64_t hash = kHashStart;
  for (const char c : piece) hash = ExtendHash(hash, c);
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = SlotOf(hash, mask);
  while (slots_[slot].piece.data() != nullptr) slot = (slot + 1) & mask;
  slots_[slot] = {hash, piece, id};
  longest_ = std::max(longest_, piece.size());
}

std::int32_t Tokenizer::PieceTable::Find(std::uint64_t hash, std::string_view piece) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = SlotOf(hash, mask); slots_[slot].piece.data() != nullptr; slot = (slot + 1) & mask) {
    if (slots_[slot].hash == hash && slots_[slot].piece == piece) return slots_[slot].id;
  }
  return -1;
}

// Takes the longest piece that begins the rest of the word, again and again. When no piece does, the whole word is
// unknown.
void Tokenizer::EncodeWord(std::string_view word, std::vector<TokenId>* out) const {
  std::array<std::uint64_t, kMaximumWordCharacters * 4 + 1> prefix_hashes;
  const std::size_t tokens_before = out->size();
  for (std::string_view rest = word; !rest.empty();) {
    const PieceTable& pieces = rest.size() == word.size() ? first_pieces_ : next_pieces_;
    std::size_t size = std::min(rest.size(), pieces.longest());
    std::uint64_t hash = kHashStart;
    for (std::size_t i = 0; i < size; ++i) prefix_hashes[i + 1] = hash = ExtendHash(hash, rest[i]);
    std::int32_t id = -1;
    for (; size > 0; --size) {
      id = pieces.Find(prefix_hashes[size], rest.substr(0, size));
      if (id >= 0) break;
    }
    if (id < 0) {
      out->resize(tokens_before);
      out->push_back(special_.unknown);
      return;
    }
    out->push_back(static_cast<TokenId>(id));
    rest.remove_prefix(size);
  }
}

void Tokenizer::Encode(std::string_view utf8, std::vector<TokenId>* out) const {
  WordReader reader(*this, out);
  for (std::size_t i = 0; i < utf8.size();) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      reader.Ascii(byte);
      ++i;
      continue;
    }
    UChar32 code_point;
    U8_NEXT(utf8.data(), i, utf8.size(), code_point);
    if (code_point >= 0) reader.Other(static_cast<char32_t>(code_point));
  }
  reader.EndWord();
}

Status Tokenizer::ReadVocabulary(const std::string& path) {
  const auto bad = [&path](std::string_view what) { return Error(Code::kDataLoss, "{}: {}", path, what); };
  STILL_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  vocabulary_ = std::make_shared<const std::string>(std::move(bytes));
  if (vocabulary_->empty()) return bad("the vocabulary is empty");
  const std::size_t lines = static_cast<std::size_t>(std::count(vocabulary_->begin(), vocabulary_->end(), '\n')) + 1;
  first_pieces_.Reserve(lines);
  next_pieces_.Reserve(lines);
  std::unordered_map<std::string_view, std::size_t> line_of;
  for (std::string_view rest = *vocabulary_; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t number = pieces_.size() + 1;
    if (line.ends_with('\r')) {
      return bad(
          fmt::format("line {} ends in CRLF: every piece would end in a carriage return; convert the file with "
                      "sed -i 's/\\r$//'",
                      number));
    }
    const std::string_view piece = line.substr(0, line.find_last_not_of(" \t") + 1);
    if (piece.empty()) return bad(fmt::format("line {} is empty", number));
    if (number > kMaximumPieces) return bad("more than 65535 pieces: token ids are stored in 16 bits");
    const auto [earlier, is_new] = line_of.emplace(piece, number);
    if (!is_new)
      return bad(fmt::format("'{}' is on line {} and again on line {}; use the vocab.txt the model was trained with",
                             piece, earlier->second, number));
    const TokenId id = static_cast<TokenId>(pieces_.size());
    pieces_.push_back(piece);
    const bool continues = piece.starts_with("##") && piece.size() > 2;
    (continues ? next_pieces_ : first_pieces_).Insert(continues ? piece.substr(2) : piece, id);
  }
  const std::pair<std::string_view, TokenId*> specials[] = {{"[PAD]", &special_.pad},
                                                            {"[UNK]", &special_.unknown},
                                                            {"[CLS]", &special_.classify},
                                                            {"[SEP]", &special_.separator},
                                                            {"[MASK]", &special_.mask}};
  for (const auto& [piece, id] : specials) {
    const auto found = line_of.find(piece);
    if (found == line_of.end())
      return bad(fmt::format("the vocabulary has no {}; use the vocab.txt the model was trained with", piece));
    *id = static_cast<TokenId>(found->second - 1);
  }
  return Ok();
}

Result<Tokenizer> Tokenizer::Load(const std::string& vocab_path, bool lowercase) {
  Tokenizer tokenizer;
  tokenizer.lowercase_ = lowercase;
  STILL_RETURN_IF_ERROR(tokenizer.ReadVocabulary(vocab_path));
  tokenizer.fingerprint_ = IdentityBuilder("wordpiece")
                               .Add("version", kVersion)
                               .Add("lowercase", std::uint64_t{lowercase})
                               .Add("vocabulary", Hex(Sha256Of(*tokenizer.vocabulary_)))
                               .Digest();
  return tokenizer;
}

}  // namespace still::shards
