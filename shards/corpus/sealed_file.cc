#include "shards/corpus/sealed_file.h"

namespace still::shards {
namespace {

// Every header begins with this.
struct Beginning {
  std::array<char, 8> magic;
  std::uint32_t version;
};

}  // namespace

Result<SealedFile> SealedFile::Open(const std::string& path, const SealedFormat& format, std::size_t header_bytes) {
  STILL_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  SealedFile file(std::move(mapped), format);
  const auto bytes = file.file_.bytes();
  if (bytes.size() < header_bytes + sizeof(SealedFooter)) return file.Damaged("it is truncated");
  const auto beginning = LoadLittleEndian<Beginning>(bytes.data());
  file.footer_ = LoadLittleEndian<SealedFooter>(bytes.data() + bytes.size() - sizeof(SealedFooter));
  if (beginning.magic != format.magic || file.footer_.end_magic != format.end_magic) {
    return file.Damaged(fmt::format("it is truncated, or is no {} at all", format.noun));
  }
  if (beginning.version != format.version) {
    return file.Damaged(
        fmt::format("it has format version {}, and this program reads {}", beginning.version, format.version));
  }
  return file;
}

Status SealedFile::Damaged(std::string_view what) const {
  return Error(Code::kDataLoss, "{} of a corpus {}: {}; remove it and run again", format_->noun, file_.path(), what);
}

}  // namespace still::shards
