// The kernels that the host's processors compute: those of the CPU, and those of any device whose memory the host
// reaches, at another address than the tensors name. Their loops are in adamw.h, dropout_mask.h, exact_sum.h and
// vocabulary_rows.h; instruction_sets.h compiles some of them for several instruction sets.
#pragma once

#include <memory>

#include "worker/device/kernels.h"

namespace still::worker {

// Returns the address at which the host reaches what a tensor holds at `tensor_address`.
using HostAddress = void* (*)(const void* tensor_address);

std::unique_ptr<DeviceKernels> MakeHostKernels(HostAddress address);

}  // namespace still::worker
