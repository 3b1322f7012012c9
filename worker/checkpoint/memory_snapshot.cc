#include "worker/checkpoint/memory_snapshot.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/crc32c.h"
#include "common/digest.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/storage/files.h"
#include "common/storage/mapped_file.h"

namespace still::worker {
namespace {

constexpr std::uint64_t kMagic = 0x32'4e'53'4c'4c'49'54'53;  // "STILLSN2", little-endian
constexpr std::size_t kPage = 4096;
constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kBlockFloats = kBlock / sizeof(float);
constexpr std::uint64_t kNoStep = ~std::uint64_t{0};

struct Header {
  std::uint64_t magic;
  std::uint64_t parameters;
  std::uint64_t step;  // kNoStep while it is being written; set last
  std::uint32_t info_size;
  std::uint32_t info_crc;
  char info[kPage - 32];
};
static_assert(sizeof(Header) == kPage);

struct Entry {
  std::uint64_t step;
  std::uint64_t crc;
};

std::size_t BlocksOfBuffer(std::size_t parameters) { return (parameters * sizeof(float) + kBlock - 1) / kBlock; }
std::size_t TableBytes(std::size_t parameters) {
  return (3 * BlocksOfBuffer(parameters) * sizeof(Entry) + kPage - 1) / kPage * kPage;
}
std::size_t SlotBytes(std::size_t parameters) {
  return sizeof(Header) + TableBytes(parameters) + 3 * BlocksOfBuffer(parameters) * kBlock;
}

// Orders stores as other processes see them, and the next process after a kill.
void StoreStep(std::uint64_t* at, std::uint64_t step) {
  std::atomic_ref<std::uint64_t>(*at).store(step, std::memory_order_seq_cst);
}

// Returns the bytes of block `index` within one of the three buffers.
template <typename T>
std::span<T> BlockOf(std::span<T> buffer, std::size_t index) {
  const std::size_t begin = index * kBlock;
  return buffer.subspan(begin, std::min(kBlock, buffer.size() - begin));
}

// Returns the info of a mapped slot if its header is whole. Checks nothing else.
std::optional<v1::CheckpointInfo> ReadInfo(const Header& header, const std::string& identity, std::size_t parameters) {
  if (header.magic != kMagic || header.parameters != parameters || header.step == kNoStep) return std::nullopt;
  if (header.info_size > sizeof header.info) return std::nullopt;
  if (Crc32c(std::as_bytes(std::span(header.info, header.info_size))) != header.info_crc) return std::nullopt;
  v1::CheckpointInfo info;
  if (!info.ParseFromArray(header.info, static_cast<int>(header.info_size))) return std::nullopt;
  return info.step() == header.step && info.identity() == identity ? std::optional(info) : std::nullopt;
}

Result<MappedFile> OpenSlot(const std::string& path, std::size_t parameters) {
  STILL_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  if (file.bytes().size() != SlotBytes(parameters))
    return Error(Code::kDataLoss, "{}: is of another model or torn", path);
  return file;
}

}  // namespace

MemorySnapshot::MemorySnapshot(const std::string& directory, const std::string& checkpoint_directory,
                               std::string identity, std::size_t parameters)
    : identity_(std::move(identity)), parameters_(parameters) {
  if (directory.empty()) return;
  Sha256 job;
  job.Update(checkpoint_directory);
  prefix_ = JoinPath(directory, fmt::format("stillhouse-{}-{}", ::getuid(), Hex(job.Finish()).substr(0, 16)));
}

MemorySnapshot::~MemorySnapshot() {
  for (const Slot& slot : slots_) {
    if (slot.data != nullptr) ::munmap(slot.data, slot.size);
  }
}

std::string MemorySnapshot::PathOf(std::size_t slot) const { return fmt::format("{}-{}", prefix_, slot); }

// Reserves the pages first, because a store to a page that cannot be had would be a SIGBUS.
Status MemorySnapshot::MapForWriting(std::size_t slot) {
  if (slots_[slot].data != nullptr) return Ok();
  const std::string path = PathOf(slot);
  const std::size_t size = SlotBytes(parameters_);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, "cannot create the snapshot", path);
  int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  void* data = MAP_FAILED;
  if (error == 0) {
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) error = errno;
  }
  ::close(fd);
  // The file stays, because other ranks may have it mapped.
  if (error != 0) return ErrnoStatus(error, "cannot reserve memory for the snapshot", path);
  slots_[slot] = {static_cast<std::byte*>(data), size};
  return Ok();
}

Status MemorySnapshot::Write(const v1::CheckpointInfo& info, const LiveState& state, HostPlace place) {
  if (prefix_.empty()) return Ok();
  const std::size_t slot = info.step() % 2;
  STILL_RETURN_IF_ERROR(MapForWriting(slot));
  std::byte* data = slots_[slot].data;
  auto* header = reinterpret_cast<Header*>(data);
  auto* table = reinterpret_cast<Entry*>(data + sizeof(Header));
  std::byte* blocks = data + sizeof(Header) + TableBytes(parameters_);
  if (place.index == 0) StoreStep(&header->step, kNoStep);

  const std::size_t per_buffer = BlocksOfBuffer(parameters_);
  const auto boundary = [&](int index) {
    return 3 * per_buffer * static_cast<std::size_t>(index) / static_cast<std::size_t>(place.count);
  };
  for (std::size_t i = boundary(place.index); i < boundary(place.index + 1); ++i) {
    const std::size_t begin = i % per_buffer * kBlockFloats;
    const std::span<float> to(reinterpret_cast<float*>(blocks + i * kBlock),
                              std::min(kBlockFloats, parameters_ - begin));
    StoreStep(&table[i].step, kNoStep);
    state.Read(kStateBuffers[i / per_buffer], begin, to);
    table[i].crc = Crc32c(std::as_bytes(to));
    StoreStep(&table[i].step, info.step());
  }
  STILL_RETURN_IF_ERROR(FaultPoint("snapshot"));
  if (place.index != 0) return Ok();
  const std::string text = info.SerializeAsString();
  STILL_CHECK(text.size() <= sizeof header->info, "the description of a state fits into a header");
  header->magic = kMagic;
  header->parameters = parameters_;
  std::memcpy(header->info, text.data(), text.size());
  header->info_size = static_cast<std::uint32_t>(text.size());
  header->info_crc = Crc32c(std::as_bytes(std::span(text)));
  StoreStep(&header->step, info.step());
  return Ok();
}

std::optional<std::uint64_t> MemorySnapshot::ClaimedStep() const {
  std::optional<std::uint64_t> newest;
  if (prefix_.empty()) return newest;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    const Result<MappedFile> file = OpenSlot(PathOf(slot), parameters_);
    if (!file.ok()) continue;
    const auto info = ReadInfo(*reinterpret_cast<const Header*>(file->bytes().data()), identity_, parameters_);
    if (info && (!newest || info->step() > *newest)) newest = info->step();
  }
  return newest;
}

Result<TrainingState> MemorySnapshot::Load() const {
  std::vector<std::pair<v1::CheckpointInfo, std::size_t>> claims;
  MappedFile files[2];
  for (std::size_t slot = 0; slot < 2; ++slot) {
    Result<MappedFile> file = OpenSlot(PathOf(slot), parameters_);
    if (!file.ok()) continue;
    files[slot] = std::move(file).value();
    const auto info = ReadInfo(*reinterpret_cast<const Header*>(files[slot].bytes().data()), identity_, parameters_);
    if (info) claims.emplace_back(*info, slot);
  }
  std::ranges::sort(claims, std::ranges::greater{}, [](const auto& claim) { return claim.first.step(); });
  const std::size_t per_buffer = BlocksOfBuffer(parameters_);
  for (const auto& [info, slot] : claims) {
    const std::byte* data = files[slot].bytes().data();
    const auto* table = reinterpret_cast<const Entry*>(data + sizeof(Header));
    const std::byte* blocks = data + sizeof(Header) + TableBytes(parameters_);
    TrainingState state;
    state.info = info;
    std::vector<float>* buffers[] = {&state.weights, &state.first_moment, &state.second_moment};
    for (std::vector<float>* buffer : buffers) buffer->resize(parameters_);
    bool whole = true;
    for (std::size_t i = 0; i < 3 * per_buffer && whole; ++i) {
      const auto to = BlockOf(std::as_writable_bytes(std::span(*buffers[i / per_buffer])), i % per_buffer);
      std::memcpy(to.data(), blocks + i * kBlock, to.size());
      whole = table[i].step == info.step() && table[i].crc == Crc32c(to);
    }
    if (whole) return state;
    LogInfo("{}: step {} was not complete", PathOf(slot), info.step());
  }
  return Error(Code::kDataLoss, "{}-*: no complete snapshot", prefix_);
}

void MemorySnapshot::Remove() {
  if (prefix_.empty()) return;
  for (std::size_t slot = 0; slot < 2; ++slot) ::unlink(PathOf(slot).c_str());
}

}  // namespace still::worker
