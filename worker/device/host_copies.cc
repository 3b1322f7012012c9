#include "worker/device/host_copies.h"

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace still::worker {

void WaitFor(const at::Device& device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

at::Tensor HostCopies::Start(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  device_ = tensor.device();
  const at::Tensor host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true));
  host.copy_(tensor, /*non_blocking=*/true);
  return host;
}

void HostCopies::Wait() {
  if (device_) WaitFor(*device_);
  device_.reset();
}

}  // namespace still::worker
