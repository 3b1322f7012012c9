#include "tests/device/fake_memory.h"

#include <ATen/ops/empty_strided.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/crc32c.h"

namespace still::testing {
namespace {

constexpr std::size_t kGrain = 512;
constexpr int kPoison = 0xFF;  // NaN in every floating-point type

FakeCounters counters;
int forbidden = 0;

// Addresses of the device and of the host's view of the same pages.
struct Arena {
  std::byte* device = nullptr;
  std::byte* host = nullptr;
  std::size_t size = 0;
  std::size_t next = 0;
  std::map<std::size_t, std::vector<std::size_t>> free;  // offsets by size
  std::unordered_map<std::size_t, std::size_t> sizes;    // by offset
};
Arena arena;

void Poison(std::size_t offset, std::size_t size) { std::memset(arena.host + offset, kPoison, size); }

void Release(void* address) {
  if (address == nullptr) return;
  const std::lock_guard lock(FakeMutex());
  const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(address) - arena.device);
  const std::size_t size = arena.sizes.at(offset);
  Poison(offset, size);
  arena.free[size].push_back(offset);
}

class DeviceAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const std::lock_guard lock(FakeMutex());
    const std::size_t size = std::max((bytes + kGrain - 1) / kGrain * kGrain, kGrain);
    std::size_t offset = arena.next;
    if (std::vector<std::size_t>& free = arena.free[size]; !free.empty()) {
      offset = free.back();
      free.pop_back();
    } else {
      TORCH_CHECK_WITH(OutOfMemoryError, arena.next + size <= arena.size, "the fake device is out of memory");
      arena.next += size;
      arena.sizes[offset] = size;
      Poison(offset, size);
    }
    void* const address = arena.device + offset;
    return {address, address, &Release, FakeDevice()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(FakeHostAddress(to), FakeHostAddress(from), bytes);
  }
};

// The addresses of pinned memory. It is ordinary memory.
std::set<const void*> pinned;

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const std::lock_guard lock(FakeMutex());
    void* const address = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
    pinned.insert(address);
    return {address, address, &Free, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  static void Free(void* address) {
    const std::lock_guard lock(FakeMutex());
    pinned.erase(address);
    std::free(address);
  }
};

// A copy that takes effect when the host waits.
struct PendingCopy {
  at::Tensor host;
  at::Tensor staged;           // to the host: what arrives; undefined for a copy to the device
  std::uint32_t checksum = 0;  // to the device: of the source, which must not change meanwhile
};
std::vector<PendingCopy> pending;

std::uint32_t Checksum(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return Crc32c({static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()});
}

}  // namespace

std::recursive_mutex& FakeMutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

FakeCounters& MutableFakeCounters() { return counters; }
const FakeCounters& CountedByFake() { return counters; }
void ResetFakeCounters() { counters = {}; }
std::uint64_t FakeCounters::Waits() const {
  std::uint64_t total = 0;
  for (const auto& [why, count] : waits) total += count;
  return total;
}

ForbidWaits::ForbidWaits() { ++forbidden; }
ForbidWaits::~ForbidWaits() { --forbidden; }

void ReserveFakeMemory(std::size_t bytes) {
  const int file = ::memfd_create("fake-device", MFD_CLOEXEC);
  TORCH_CHECK(file >= 0 && ::ftruncate(file, static_cast<off_t>(bytes)) == 0, "no memory for the fake device");
  void* const device = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
  void* const host = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  ::close(file);
  TORCH_CHECK(device != MAP_FAILED && host != MAP_FAILED, "no address space for the fake device");
  arena.device = static_cast<std::byte*>(device);
  arena.host = static_cast<std::byte*>(host);
  arena.size = bytes;
}

c10::Allocator& FakeMemory() {
  static DeviceAllocator allocator;
  return allocator;
}
c10::Allocator& FakePinnedMemory() {
  static PinnedAllocator allocator;
  return allocator;
}

bool IsPinned(const void* address) {
  const std::lock_guard lock(FakeMutex());
  // The address may lie within an allocation, as that of a view does.
  const auto after = pinned.upper_bound(address);
  if (after == pinned.begin()) return false;
  const void* const begin = *std::prev(after);
  return address < static_cast<const std::byte*>(begin) + ::malloc_usable_size(const_cast<void*>(begin));
}

void* FakeHostAddress(const void* address) {
  if (address == nullptr) return nullptr;
  const auto* const byte = static_cast<const std::byte*>(address);
  TORCH_CHECK(byte >= arena.device && byte < arena.device + arena.size, "not an address of the fake device");
  return arena.host + (byte - arena.device);
}
bool IsFakeHostAddress(const void* address) {
  const auto* const byte = static_cast<const std::byte*>(address);
  return byte >= arena.host && byte < arena.host + arena.size;
}

bool OnFake(const at::Tensor& tensor) { return tensor.defined() && tensor.device().type() == kFakeType; }

at::Tensor HostAlias(const at::Tensor& tensor) {
  if (!OnFake(tensor)) return tensor;
  const at::TensorOptions options = tensor.options().device(at::kCPU);
  if (tensor.storage().nbytes() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  at::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                      c10::DataPtr(FakeHostAddress(tensor.storage().data()), at::Device(at::kCPU)),
                      /*allocator=*/nullptr, /*resizable=*/false);
  at::Tensor alias = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  alias.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return alias;
}

void WaitForFake(const std::string& why) {
  const std::lock_guard lock(FakeMutex());
  TORCH_CHECK(forbidden == 0, "the host waits for the device (", why, ") where it must not");
  ++counters.waits[why];
  for (const PendingCopy& copy : std::exchange(pending, {})) {
    if (copy.staged.defined()) {
      copy.host.copy_(copy.staged);
    } else {
      TORCH_CHECK(Checksum(copy.host) == copy.checksum, "pinned memory changed while it was copied to the device");
    }
  }
}

void FakeCopy(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const std::lock_guard lock(FakeMutex());
  if (OnFake(from) && OnFake(to)) {
    HostAlias(to).copy_(HostAlias(from));
  } else if (OnFake(to)) {
    counters.bytes_to_device += from.nbytes();
    HostAlias(to).copy_(from);
    if (!non_blocking || !from.is_pinned()) return WaitForFake("copy to the device");
    pending.push_back({.host = from, .checksum = Checksum(from)});
  } else {
    counters.bytes_to_host += from.nbytes();
    if (!non_blocking || !to.is_pinned()) {
      WaitForFake("copy to the host");
      to.copy_(HostAlias(from));
      return;
    }
    pending.push_back({.host = to, .staged = HostAlias(from).clone()});
    std::memset(to.mutable_data_ptr(), kPoison, to.nbytes());
  }
}

}  // namespace still::testing
