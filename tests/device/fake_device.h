// An accelerator that does not exist, for tests on machines without a GPU. It is LibTorch's spare device type,
// PrivateUse1. Every operator runs as the CPU's on the same bytes, so that results have the CPU's bits. What differs is
// what a real device would do to wrong code:
//
// - Its memory has no access for the host: tensors hold addresses of a mapping that may not be touched, and operators
//   and kernels work on a second mapping of the same pages. A stray host pointer dies with SIGSEGV.
// - New and freed memory holds NaNs.
// - Copies between host and device are counted, and asynchronous ones take effect for the host only when it waits.
// - Each wait of the host is counted, and may be forbidden.
//
// It models one device with one stream. Operators follow each other under one lock; nothing really runs beside the
// host.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace still::testing {

// Counts what was done since the last ResetFakeCounters.
struct FakeCounters {
  std::map<std::string, std::uint64_t> operators;  // by name
  std::map<std::string, std::uint64_t> waits;      // by what waited
  std::uint64_t bytes_to_device = 0;
  std::uint64_t bytes_to_host = 0;

  std::uint64_t Waits() const;
};

// Makes the device, with its kernels (worker/device/kernels.h). Call it before the first tensor; later calls do
// nothing. `memory_bytes` is only reserved: pages come as they are used.
void InstallFakeDevice(std::size_t memory_bytes = std::size_t{8} << 30);

at::Device FakeDevice();

const FakeCounters& CountedByFake();
void ResetFakeCounters();

// While one exists, whatever would make the host wait throws, as it does while a CUDA graph is captured.
class ForbidWaits {
 public:
  ForbidWaits();
  ~ForbidWaits();
  ForbidWaits(const ForbidWaits&) = delete;
  ForbidWaits& operator=(const ForbidWaits&) = delete;
};

}  // namespace still::testing
