// Brings a device's tensors to the host: it starts any number of copies, and waits once for all of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <span>

#include "common/check.h"

namespace still::worker {

// Returns the elements of a contiguous tensor in host memory. Anything else is a bug.
template <typename T>
std::span<T> HostSpan(const at::Tensor& tensor) {
  STILL_CHECK(tensor.is_cpu() && tensor.is_contiguous(), "a span needs contiguous memory of the host");
  return {tensor.mutable_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

// Waits until the device has done all that it was asked for. Does nothing for the CPU.
void WaitFor(const at::Device& device);

// Copies on their way to the host. Used by one thread.
class HostCopies {
 public:
  // Returns a tensor of the host that holds `tensor` once Wait has returned. It shares a host tensor's memory, so
  // `tensor` must not change before it has been read.
  at::Tensor Start(const at::Tensor& tensor);
  void Wait();

 private:
  std::optional<at::Device> device_;  // that a copy was asked of
};

}  // namespace still::worker
