// The kernels that the host's processors compute: those of the CPU, and those of any device whose memory the host
// reaches, at another address than the tensors name.
#pragma once

#include <memory>

#include "worker/device/kernels.h"

namespace still::worker {

// Returns the address at which the host reaches what a tensor holds at `tensor_address`.
using HostAddress = void* (*)(const void* tensor_address);

std::unique_ptr<DeviceKernels> MakeHostKernels(HostAddress address);

}  // namespace still::worker
