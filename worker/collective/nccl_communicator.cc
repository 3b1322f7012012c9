#include "worker/collective/nccl_communicator.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/log.h"
#include "worker/collective/agree.h"
#include "worker/collective/hybrid_communicator.h"

namespace still::worker {
namespace {

Status CudaStatus(cudaError_t code, std::string_view call, int device) {
  if (code == cudaSuccess) return Ok();
  return Error(Code::kUnavailable, "{} on GPU {} failed: {}", call, device, cudaGetErrorString(code));
}

constexpr ncclDataType_t TypeOf(std::int64_t) { return ncclInt64; }
constexpr ncclDataType_t TypeOf(float) { return ncclFloat32; }

// Makes a device the thread's current one for a while.
class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    cudaGetDevice(&before_);
    cudaSetDevice(device);  // one that cannot be set fails the calls that follow
  }
  ~DeviceScope() { cudaSetDevice(before_); }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int before_ = 0;
};

// A sum goes host -> pinned -> GPU -> NCCL in place -> pinned -> host, piece by piece through two slots, so that the
// host copies one piece while the GPU works on the other. All GPU work of a rank stands in one stream.
//
// GPU work that was given up may hold a slot for ever (a kernel that waits for a dead peer ends with the abort, but a
// broken GPU ends nothing): slots are used again or freed only when the stream is seen idle; else they are leaked.
class NcclTransport final : public SumTransport {
 public:
  NcclTransport(int device, const NcclOptions& options, Clock& clock)
      : device_(device), options_(options), clock_(clock) {}
  ~NcclTransport() override;
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  // Once, before the first group: allocating while a peer's kernel waits for ours may never end.
  Status Allocate();

  Result<std::string> MakeId() override;
  Status Join(const std::string& id, int rank, int size) override;
  Status Sum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override { return SumAll(in, out); }
  Status Sum(std::span<const float> in, std::span<float> out) override { return SumAll(in, out); }
  void Leave() override;

 private:
  struct Slot {
    std::byte* pinned = nullptr;
    std::byte* device = nullptr;
    cudaEvent_t done = nullptr;
    std::span<std::byte> result;  // where the caller wants it; empty: nothing is under way
  };

  template <typename T>
  Status SumAll(std::span<const T> in, std::span<T> out);
  template <typename T>
  Status Start(std::span<const T> in, std::span<T> out, Clock::TimePoint end, Slot* slot);
  Status Finish(Clock::TimePoint end, Slot* slot);
  Status Settle(ncclResult_t said, std::string_view call, Clock::TimePoint end);
  Status Pause(std::string_view call, Clock::TimePoint end);
  bool IsIdle();
  Clock::TimePoint End() const { return clock_.Now() + options_.deadline; }
  Status Check(cudaError_t code, std::string_view call) const { return CudaStatus(code, call, device_); }

  const int device_;
  const NcclOptions options_;
  Clock& clock_;
  ncclComm_t comm_ = nullptr;  // in a group
  int rank_ = 0;
  int size_ = 0;
  cudaStream_t stream_ = nullptr;
  std::array<Slot, 2> slots_;
};

Status NcclTransport::Allocate() {
  const DeviceScope scope(device_);
  STILL_RETURN_IF_ERROR(Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"));
  for (Slot& slot : slots_) {
    void* memory = nullptr;
    STILL_RETURN_IF_ERROR(Check(cudaMalloc(&memory, options_.chunk_bytes), "cudaMalloc"));
    slot.device = static_cast<std::byte*>(memory);
    STILL_RETURN_IF_ERROR(Check(cudaHostAlloc(&memory, options_.chunk_bytes, cudaHostAllocDefault), "cudaHostAlloc"));
    slot.pinned = static_cast<std::byte*>(memory);
    STILL_RETURN_IF_ERROR(
        Check(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming), "cudaEventCreateWithFlags"));
  }
  return Ok();
}

NcclTransport::~NcclTransport() {
  Leave();
  if (stream_ == nullptr) return;
  const DeviceScope scope(device_);
  if (!IsIdle()) {
    LogWarn("GPU {} does not come to rest: its buffers are left to the end of the process", device_);
    return;
  }
  for (const Slot& slot : slots_) {
    if (slot.done != nullptr) cudaEventDestroy(slot.done);
    cudaFreeHost(slot.pinned);  // a null pointer is freed by doing nothing
    cudaFree(slot.device);
  }
  cudaStreamDestroy(stream_);
}

Result<std::string> NcclTransport::MakeId() {
  const DeviceScope scope(device_);
  ncclUniqueId id;
  if (const ncclResult_t code = ncclGetUniqueId(&id); code != ncclSuccess)
    return Error(Code::kUnavailable, "ncclGetUniqueId failed: {}; NCCL finds no usable network (NCCL_SOCKET_IFNAME)",
                 ncclGetErrorString(code));
  return std::string(id.internal, sizeof(id.internal));
}

Status NcclTransport::Join(const std::string& id, int rank, int size) {
  STILL_CHECK(comm_ == nullptr, "one group at a time");
  ncclUniqueId unique;
  STILL_CHECK(id.size() == sizeof(unique.internal), "an id made by MakeId");
  std::memcpy(unique.internal, id.data(), id.size());
  rank_ = rank;
  size_ = size;
  const DeviceScope scope(device_);
  if (!IsIdle()) return Error(Code::kUnavailable, "GPU {} is still at work for a group that was given up", device_);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const Clock::TimePoint end = End();
  const Status joined =
      Settle(ncclCommInitRankConfig(&comm_, size, unique, rank, &config), "ncclCommInitRankConfig", end);
  if (!joined.ok()) Leave();
  return joined;
}

// The one call that may be made at any time: it stops what NCCL does on the GPU and in its threads, then frees it.
void NcclTransport::Leave() {
  for (Slot& slot : slots_) slot.result = {};
  if (comm_ == nullptr) return;
  if (const ncclResult_t code = ncclCommAbort(comm_); code != ncclSuccess)
    LogWarn("ncclCommAbort of rank {} of {} on GPU {}: {}", rank_, size_, device_, ncclGetErrorString(code));
  comm_ = nullptr;
}

template <typename T>
Status NcclTransport::SumAll(std::span<const T> in, std::span<T> out) {
  STILL_CHECK(comm_ != nullptr, "joined");
  const DeviceScope scope(device_);
  const Clock::TimePoint end = End();
  const std::size_t piece = options_.chunk_bytes / sizeof(T);
  std::size_t turn = 0;
  for (std::size_t at = 0; at < in.size(); at += piece, ++turn) {
    Slot& slot = slots_[turn % slots_.size()];
    const std::size_t count = std::min(piece, in.size() - at);
    STILL_RETURN_IF_ERROR(Finish(end, &slot));
    STILL_RETURN_IF_ERROR(Start(in.subspan(at, count), out.subspan(at, count), end, &slot));
  }
  for (Slot& slot : slots_) STILL_RETURN_IF_ERROR(Finish(end, &slot));
  return Ok();
}

template <typename T>
Status NcclTransport::Start(std::span<const T> in, std::span<T> out, Clock::TimePoint end, Slot* slot) {
  const std::size_t bytes = in.size_bytes();
  std::memcpy(slot->pinned, in.data(), bytes);
  STILL_RETURN_IF_ERROR(Check(cudaMemcpyAsync(slot->device, slot->pinned, bytes, cudaMemcpyHostToDevice, stream_),
                              "cudaMemcpyAsync to the GPU"));
  // A non-blocking communicator puts its work into the stream in its own time: only once it has settled does what we
  // put there come after it.
  STILL_RETURN_IF_ERROR(
      Settle(ncclAllReduce(slot->device, slot->device, in.size(), TypeOf(T()), ncclSum, comm_, stream_),
             "ncclAllReduce", end));
  STILL_RETURN_IF_ERROR(Check(cudaMemcpyAsync(slot->pinned, slot->device, bytes, cudaMemcpyDeviceToHost, stream_),
                              "cudaMemcpyAsync to the host"));
  STILL_RETURN_IF_ERROR(Check(cudaEventRecord(slot->done, stream_), "cudaEventRecord"));
  slot->result = std::as_writable_bytes(out);
  return Ok();
}

Status NcclTransport::Finish(Clock::TimePoint end, Slot* slot) {
  if (slot->result.empty()) return Ok();
  for (;;) {
    const cudaError_t code = cudaEventQuery(slot->done);
    if (code != cudaSuccess && code != cudaErrorNotReady) return Check(code, "a sum");
    ncclResult_t meanwhile = ncclSuccess;
    STILL_RETURN_IF_ERROR(Settle(ncclCommGetAsyncError(comm_, &meanwhile), "ncclCommGetAsyncError", end));
    STILL_RETURN_IF_ERROR(Settle(meanwhile, "a sum", end));
    if (code == cudaSuccess) break;
    STILL_RETURN_IF_ERROR(Pause("a sum", end));
  }
  std::memcpy(slot->result.data(), slot->pinned, slot->result.size());
  slot->result = {};
  return Ok();
}

// Waits while NCCL says that what it was asked for is in progress.
Status NcclTransport::Settle(ncclResult_t said, std::string_view call, Clock::TimePoint end) {
  while (said == ncclInProgress) {
    STILL_RETURN_IF_ERROR(Pause(call, end));
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &said);
    if (asked != ncclSuccess) said = asked;
  }
  if (said == ncclSuccess) return Ok();
  return Error(Code::kUnavailable,
               "{} failed on rank {} of {} (GPU {}): {} ({}); a peer is probably gone; if it fails at the start, is "
               "there a GPU for each rank? NCCL_DEBUG=INFO says more",
               call, rank_, size_, device_, ncclGetErrorString(said), ncclGetLastError(comm_));
}

Status NcclTransport::Pause(std::string_view call, Clock::TimePoint end) {
  std::this_thread::yield();  // to NCCL's own threads: a sleep would cost more than most waits last
  if (clock_.Now() < end) return Ok();
  return Error(Code::kUnavailable, "{} of rank {} of {} (GPU {}) did not end within {} ms; a peer is gone or stuck",
               call, rank_, size_, device_, options_.deadline.count());
}

bool NcclTransport::IsIdle() {
  const Clock::TimePoint end = End();
  cudaError_t code = cudaStreamQuery(stream_);
  for (; code == cudaErrorNotReady && clock_.Now() < end; code = cudaStreamQuery(stream_)) std::this_thread::yield();
  return code == cudaSuccess;
}

Result<std::unique_ptr<SumTransport>> Open(int place, const NcclOptions& options) {
  if (options.chunk_bytes < sizeof(std::int64_t))
    return Error(Code::kInvalidArgument, "NCCL's chunks of {} bytes do not hold a number", options.chunk_bytes);
  int devices = 0;
  if (const cudaError_t code = cudaGetDeviceCount(&devices); code != cudaSuccess)
    return Error(Code::kUnavailable, "no GPU can be used: {}; sum on the CPU instead", cudaGetErrorString(code));
  if (devices == 0) return Error(Code::kUnavailable, "this host has no GPU; sum on the CPU instead");
  auto transport = std::make_unique<NcclTransport>(place % devices, options, Clock::System());
  STILL_RETURN_IF_ERROR(transport->Allocate());
  return std::unique_ptr<SumTransport>(std::move(transport));
}

}  // namespace

Result<std::unique_ptr<Communicator>> ConnectNccl(Communicator& control, const NcclOptions& options) {
  Result<std::unique_ptr<SumTransport>> opened = Open(control.host_place().index, options);
  STILL_RETURN_IF_ERROR(Agree(control, opened.status()));  // a rank without a GPU must not leave the others waiting
  return ConnectHybrid(control, *std::move(opened), {.smallest_bytes = options.smallest_bytes});
}

}  // namespace still::worker
