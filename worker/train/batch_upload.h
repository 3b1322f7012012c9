// Brings a batch to the device that trains on it.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/train/batch_source.h"

namespace still::worker {

// Returns `batch` on `device`: all its tensors in one slab of pinned memory, copied at once. The host does not wait for
// the copy. On the CPU, returns `batch` as it is.
Batch Upload(const Batch& batch, const at::Device& device);

}  // namespace still::worker
