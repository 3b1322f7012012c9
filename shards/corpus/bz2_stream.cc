#include "shards/corpus/bz2_stream.h"

#include <bzlib.h>

#include <algorithm>

namespace still::shards {

// A bzip2 stream being decoded; inactive between streams.
struct Bz2Stream::Decoder {
  bz_stream state{};
  bool active = false;

  ~Decoder() { End(); }
  void End() {
    if (active) BZ2_bzDecompressEnd(&state);
    active = false;
  }
};

Bz2Stream::Bz2Stream(MappedFile file) : file_(std::move(file)), decoder_(std::make_unique<Decoder>()) {}

Bz2Stream::~Bz2Stream() = default;

Result<std::unique_ptr<Bz2Stream>> Bz2Stream::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  std::unique_ptr<Bz2Stream> stream(new Bz2Stream(std::move(file)));
  if (stream->compressed_size() == 0) return stream->Damaged("the file is empty");
  return stream;
}

Status Bz2Stream::Damaged(std::string_view what) {
  decoder_->End();
  failure_ =
      Error(Code::kDataLoss, "{}: compressed byte {} of {}: {}; the file is damaged or incomplete: fetch it again",
            path(), offset_, compressed_size(), what);
  return failure_;
}

Status Bz2Stream::BeginStream() {
  decoder_->state = bz_stream{};
  const int result = BZ2_bzDecompressInit(&decoder_->state, 0, 0);
  if (result != BZ_OK) {
    return failure_ = Error(Code::kResourceExhausted, "{}: no memory to decompress bzip2", path());
  }
  decoder_->active = true;
  return Ok();
}

Result<std::size_t> Bz2Stream::Read(std::span<char> buffer) {
  constexpr std::size_t kMostBytesACall = 1 << 20;  // bz_stream counts in 32 bits
  STILL_RETURN_IF_ERROR(failure_);
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    if (!decoder_->active) {
      if (offset_ == compressed_size()) break;
      STILL_RETURN_IF_ERROR(BeginStream());
    }
    bz_stream& state = decoder_->state;
    const std::size_t input = std::min<std::size_t>(kMostBytesACall, compressed_size() - offset_);
    const std::size_t output = std::min(kMostBytesACall, buffer.size() - filled);
    // The library never writes to its input; its interface is older than const.
    state.next_in = const_cast<char*>(reinterpret_cast<const char*>(file_.bytes().data() + offset_));
    state.avail_in = static_cast<unsigned>(input);
    state.next_out = buffer.data() + filled;
    state.avail_out = static_cast<unsigned>(output);
    const int result = BZ2_bzDecompress(&state);
    const std::size_t produced = output - state.avail_out;
    offset_ += input - state.avail_in;
    filled += produced;
    switch (result) {
      case BZ_OK:
        if (input == 0 && produced == 0) return Damaged("the data ends inside a bzip2 stream");
        break;
      case BZ_STREAM_END: decoder_->End(); break;
      case BZ_DATA_ERROR_MAGIC: return Damaged("not the start of a bzip2 stream");
      case BZ_DATA_ERROR: return Damaged("a block's checksum or structure is wrong");
      case BZ_MEM_ERROR: return failure_ = Error(Code::kResourceExhausted, "{}: no memory to decompress bzip2", path());
      default: return Damaged("bzip2 refused the data");
    }
  }
  return filled;
}

}  // namespace still::shards
