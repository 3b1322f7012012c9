// The memory of the fake device, and the copies between it and the host.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

#include <cstddef>
#include <mutex>
#include <string>

#include "tests/device/fake_device.h"

namespace still::testing {

inline constexpr at::DeviceType kFakeType = at::DeviceType::PrivateUse1;

// Held by whatever the device does. Recursive, because operators run others.
std::recursive_mutex& FakeMutex();
FakeCounters& MutableFakeCounters();

// Reserves the device's memory. Call it once.
void ReserveFakeMemory(std::size_t bytes);

c10::Allocator& FakeMemory();
c10::Allocator& FakePinnedMemory();
bool IsPinned(const void* address);

// Returns where the host reaches what a tensor holds at `address` of the device; null for null.
void* FakeHostAddress(const void* address);
// Returns true for an address of the second mapping.
bool IsFakeHostAddress(const void* address);

bool OnFake(const at::Tensor& tensor);
// Returns a CPU tensor over the same bytes; a tensor that is not on the device as it is.
at::Tensor HostAlias(const at::Tensor& tensor);

// Notes that the host waits for the device, which completes the asynchronous copies. Throws while waits are forbidden.
void WaitForFake(const std::string& why);

// Copies between host and device, or on the device. An asynchronous copy needs pinned memory. Until the host waits,
// what it copies from must not change, and what it copies to holds NaNs.
void FakeCopy(const at::Tensor& from, const at::Tensor& to, bool non_blocking);

}  // namespace still::testing
