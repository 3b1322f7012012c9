#include "shards/dump/bz2_reader.h"

#include <bzlib.h>

#include <algorithm>
#include <bit>
#include <bitset>
#include <span>
#include <utility>

#include "common/bytes.h"
#include "common/progress.h"

namespace still::shards {
namespace {

constexpr std::uint64_t kBlockMagic = 0x314159265359;
constexpr std::uint64_t kEndMagic = 0x177245385090;
constexpr std::uint64_t kMagicBits = 48;
constexpr std::uint64_t kCrcBits = 32;
constexpr std::string_view kStreamMagic = "BZh";
constexpr std::uint64_t kStreamHeaderBytes = 4;
constexpr std::size_t kFirstTextBytes = 1 << 20;
// No block is longer: it has at most 900,000 symbols of at most 20 bits, and some tables.
constexpr std::uint64_t kMostBlockBits = std::uint64_t{8} << 22;
constexpr int kTries = 2;  // how many magics are tried as the end of a block

using Bytes = std::span<const std::byte>;

// Returns `count` bits from `bit` on, at most 56. Bits after the end are zeros.
std::uint64_t BitsAt(Bytes bytes, std::uint64_t bit, std::uint64_t count) {
  const std::uint64_t first = bit / 8;
  std::uint64_t word = 0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    word = word << 8 | (first + i < bytes.size() ? std::to_integer<std::uint64_t>(bytes[first + i]) : 0);
  }
  return word << bit % 8 >> (64 - count);
}

// Call the byte in which a magic begins byte 0. Then bytes 1 to 5 hold nothing but the magic. They make four pairs, and
// a search in steps of four bytes meets exactly one of these. Few pairs of bytes occur in a magic at all.
std::bitset<65536> PairsOfMagics() {
  std::bitset<65536> pairs;
  for (const std::uint64_t magic : {kBlockMagic, kEndMagic}) {
    for (unsigned shift = 0; shift < 8; ++shift) {
      const std::uint64_t window = magic << (8 - shift);  // seven bytes
      for (unsigned byte = 1; byte < 5; ++byte) pairs.set(window >> (8 * (5 - byte)) & 0xffff);
    }
  }
  return pairs;
}

// Returns the first bit in [from, to) at which the magic of a block begins or, with `ends`, that of the end of a
// stream.
std::optional<std::uint64_t> FindMagic(Bytes bytes, std::uint64_t from, std::uint64_t to, bool ends) {
  static const std::bitset<65536> pairs = PairsOfMagics();
  for (std::uint64_t byte = from / 8 + 1; byte + 1 < bytes.size(); byte += 4) {
    const std::uint64_t first_bit = byte < 4 ? 0 : (byte - 4) * 8;
    if (first_bit >= to) break;
    const auto pair = std::to_integer<std::size_t>(bytes[byte]) << 8 | std::to_integer<std::size_t>(bytes[byte + 1]);
    if (!pairs[pair]) continue;
    for (std::uint64_t bit = std::max(first_bit, from); bit < std::min(byte * 8, to); ++bit) {
      const std::uint64_t found = BitsAt(bytes, bit, kMagicBits);
      if (found != kBlockMagic && !(ends && found == kEndMagic)) continue;
      if (bit + kMagicBits <= bytes.size() * 8) return bit;
    }
  }
  return std::nullopt;
}

// Writes bits one after another, the highest first.
class BitString {
 public:
  void Append(std::uint64_t value, std::uint64_t count) {
    while (count > 0) {
      if (free_ == 0) {
        bytes_.push_back('\0');
        free_ = 8;
      }
      const std::uint64_t taken = std::min(count, free_);
      count -= taken;
      free_ -= taken;
      bytes_.back() = static_cast<char>(bytes_.back() | (value >> count & ((1U << taken) - 1)) << free_);
    }
  }

  // Appends the bits [first, last) of `from`. The bits written so far must fill whole bytes.
  void AppendRange(Bytes from, std::uint64_t first, std::uint64_t last) {
    const std::uint64_t whole = (last - first) / 8;
    const auto* source = reinterpret_cast<const unsigned char*>(from.data()) + first / 8;
    const std::size_t before = bytes_.size();
    bytes_.resize(before + whole);
    const unsigned shift = first % 8;
    if (shift == 0) {
      std::copy_n(source, whole, bytes_.begin() + static_cast<std::ptrdiff_t>(before));
    } else {
      for (std::uint64_t i = 0; i < whole; ++i) {
        bytes_[before + i] = static_cast<char>(source[i] << shift | source[i + 1] >> (8 - shift));
      }
    }
    const std::uint64_t rest = (last - first) % 8;
    if (rest > 0) Append(BitsAt(from, first + whole * 8, rest), rest);
  }

  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
  std::uint64_t free_ = 0;  // unused bits of the last byte
};

struct Decompressor {
  bz_stream state{};
  const int begun = BZ2_bzDecompressInit(&state, 0, 0);
  Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() {
    if (begun == BZ_OK) BZ2_bzDecompressEnd(&state);
  }
};

}  // namespace

void Bz2Join::Blocks::Add(Blocks more) {
  count += more.count;
  crc = std::rotl(crc, static_cast<int>(more.count % 32)) ^ more.crc;
}

Status Bz2Damaged(const std::string& path, std::uint64_t offset, std::uint64_t size, std::string_view what) {
  return Error(Code::kDataLoss, "{}: compressed byte {} of {}: {}; the file is damaged or incomplete: fetch it again",
               path, offset, size, what);
}

Status Bz2Reader::Damaged(std::uint64_t offset, std::string_view what) const {
  return Bz2Damaged(path(), offset, size(), what);
}

Result<std::unique_ptr<Bz2Reader>> Bz2Reader::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  std::unique_ptr<Bz2Reader> reader(new Bz2Reader(std::move(file)));
  if (reader->size() == 0) return reader->Damaged(0, "the file is empty");
  STILL_RETURN_IF_ERROR(reader->Advance(0));
  return reader;
}

Result<std::unique_ptr<Bz2Reader>> Bz2Reader::OpenAt(const std::string& path, std::uint64_t begin, std::uint64_t end) {
  STILL_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  std::unique_ptr<Bz2Reader> reader(new Bz2Reader(std::move(file)));
  reader->stream_known_ = false;
  const Bytes bytes = reader->file_.bytes();
  std::uint64_t from = begin * 8;
  while (const auto found = FindMagic(bytes, from, std::min(end, reader->size()) * 8, /*ends=*/false)) {
    Result<Block> block = reader->Decompress(*found, "");
    if (block.ok()) {
      reader->first_ = std::move(block).value();
      reader->join_.first_bit = reader->join_.last_bit = *found;
      return reader;
    }
    if (block.status().code() != Code::kDataLoss) return block.status();
    from = *found + 1;
  }
  reader->join_.first_bit = reader->join_.last_bit = reader->size() * 8;
  return reader;
}

Result<bool> Bz2Reader::Next(std::string* text) {
  if (AtEnd()) return false;
  if (!first_.has_value()) {
    STILL_ASSIGN_OR_RETURN(first_, Decompress(next_bit(), std::move(*text)));
  }
  Block block = *std::exchange(first_, std::nullopt);
  *text = std::move(block.text);
  join_.text_bytes += text->size();
  join_.tail.Add({.count = 1, .crc = block.crc});
  STILL_RETURN_IF_ERROR(Advance(block.end_bit));
  MarkProgress();
  return true;
}

Result<Bz2Reader::Block> Bz2Reader::Decompress(std::uint64_t first_bit, std::string text) const {
  const Bytes bytes = file_.bytes();
  Block block{.text = std::move(text), .crc = 0, .end_bit = 0};
  block.crc = static_cast<std::uint32_t>(BitsAt(bytes, first_bit + kMagicBits, kCrcBits));
  std::uint64_t from = first_bit + kMagicBits + kCrcBits;
  for (int tried = 0; tried < kTries; ++tried) {
    const auto end = FindMagic(bytes, from, first_bit + kMostBlockBits, /*ends=*/true);
    if (!end.has_value()) {
      if (tried > 0 || first_bit + kMostBlockBits < size() * 8) break;
      return Damaged(size(), "the data ends inside a bzip2 stream");
    }
    STILL_ASSIGN_OR_RETURN(const bool whole, DecompressBetween(first_bit, *end, &block.text));
    block.end_bit = *end;
    if (whole) return block;
    from = *end + 1;
  }
  return Damaged(first_bit / 8, "a block's checksum or structure is wrong");
}

// Returns false when these bits are no block. The block is decompressed as a stream of its own, whose CRC is that of
// the block. The stream announces the largest block size, as the size that the file's stream announces may be unknown
// here.
Result<bool> Bz2Reader::DecompressBetween(std::uint64_t first_bit, std::uint64_t last_bit, std::string* text) const {
  const Bytes bytes = file_.bytes();
  BitString stream;
  stream.bytes().reserve((last_bit - first_bit) / 8 + 32);
  stream.bytes() = "BZh9";
  stream.AppendRange(bytes, first_bit, last_bit);
  stream.Append(kEndMagic, kMagicBits);
  stream.Append(BitsAt(bytes, first_bit + kMagicBits, kCrcBits), kCrcBits);

  Decompressor decompressor;
  bz_stream& state = decompressor.state;
  int result = decompressor.begun;
  state.next_in = stream.bytes().data();
  state.avail_in = static_cast<unsigned>(stream.bytes().size());
  text->resize(std::max(text->size(), kFirstTextBytes));
  std::size_t filled = 0;
  while (result == BZ_OK) {
    if (filled == text->size()) text->resize(2 * filled);
    const std::size_t room = text->size() - filled;
    state.next_out = text->data() + filled;
    state.avail_out = static_cast<unsigned>(room);
    result = BZ2_bzDecompress(&state);
    filled += room - state.avail_out;
    if (result == BZ_OK && state.avail_in == 0 && state.avail_out > 0) return false;  // it wants more
  }
  if (result == BZ_MEM_ERROR) return Error(Code::kResourceExhausted, "{}: no memory to decompress bzip2", path());
  text->resize(filled);
  return result == BZ_STREAM_END && state.avail_in == 0;
}

Status Bz2Reader::Advance(std::uint64_t bit) {
  const Bytes bytes = file_.bytes();
  // A stream begins at `bit`: the first of the file, or the one after the end of another.
  const auto begin_stream = [&]() -> Status {
    const std::uint64_t offset = bit / 8;
    const std::string_view rest = AsText(bytes.subspan(offset));
    const std::string_view magic = rest.substr(0, kStreamMagic.size());
    const char level = rest.size() >= kStreamHeaderBytes ? rest[kStreamMagic.size()] : '1';
    if (!kStreamMagic.starts_with(magic) || level < '1' || level > '9') {
      return Damaged(offset, "not the start of a bzip2 stream");
    }
    bit += kStreamHeaderBytes * 8;
    return Ok();
  };
  if (bit == 0) STILL_RETURN_IF_ERROR(begin_stream());
  while (bit + kMagicBits <= bytes.size() * 8) {
    const std::uint64_t magic = BitsAt(bytes, bit, kMagicBits);
    if (magic == kBlockMagic) {
      join_.last_bit = bit;
      return Ok();
    }
    if (magic != kEndMagic) return Damaged(bit / 8, "neither a block nor the end of a bzip2 stream");
    STILL_ASSIGN_OR_RETURN(bit, EndStream(bit));
    if (bit == bytes.size() * 8) {
      join_.last_bit = bit;
      return Ok();
    }
    STILL_RETURN_IF_ERROR(begin_stream());
  }
  return Damaged(size(), "the data ends inside a bzip2 stream");
}

Result<std::uint64_t> Bz2Reader::EndStream(std::uint64_t bit) {
  const std::uint64_t end = (bit + kMagicBits + kCrcBits + 7) / 8 * 8;
  if (end > size() * 8) return Damaged(size(), "the data ends inside a bzip2 stream");
  const auto crc = static_cast<std::uint32_t>(BitsAt(file_.bytes(), bit + kMagicBits, kCrcBits));
  if (!std::exchange(stream_known_, true)) {
    join_.ended = 1;
    join_.head = join_.tail;
    join_.stream_crc = crc;
  } else if (join_.tail.crc != crc) {
    return Damaged(bit / 8, "a stream's checksum is wrong");
  }
  join_.tail = {};
  return end;
}

}  // namespace still::shards
