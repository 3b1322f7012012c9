#include "worker/train/batch_upload.h"

#include <ATen/ops/empty.h>

#include <array>
#include <cstring>

namespace still::worker {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes, within the slab

std::int64_t Aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Batch Upload(const Batch& batch, const at::Device& device) {
  if (device.is_cpu()) return batch;
  Batch moved = batch;
  const std::array<at::Tensor*, 10> tensors = {
      &moved.tokens.tokens,    &moved.tokens.lengths,       &moved.rows.target_rows, &moved.rows.target_labels,
      &moved.rows.masked_rows, &moved.rows.labels,          &moved.targets.hidden,   &moved.targets.ids,
      &moved.targets.logits,   &moved.targets.log_partition};
  std::int64_t total = 0;
  for (const at::Tensor* tensor : tensors) {
    if (tensor->defined()) total += Aligned(static_cast<std::int64_t>(tensor->nbytes()));
  }
  const at::Tensor slab = at::empty({total}, at::TensorOptions(at::kByte).pinned_memory(true));
  std::int64_t offset = 0;
  for (const at::Tensor* tensor : tensors) {
    if (!tensor->defined()) continue;
    std::memcpy(slab.mutable_data_ptr<std::uint8_t>() + offset, tensor->const_data_ptr(), tensor->nbytes());
    offset += Aligned(static_cast<std::int64_t>(tensor->nbytes()));
  }
  const at::Tensor on_device = slab.to(device, /*non_blocking=*/true);
  offset = 0;
  for (at::Tensor* tensor : tensors) {
    if (!tensor->defined()) continue;
    const auto bytes = static_cast<std::int64_t>(tensor->nbytes());
    *tensor = on_device.narrow(0, offset, bytes).view(tensor->scalar_type()).view(tensor->sizes());
    offset += Aligned(bytes);
  }
  return moved;
}

}  // namespace still::worker
