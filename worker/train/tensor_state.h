// The trainer's buffers as tensors, for checkpoints and snapshots, which know no tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <span>

#include "worker/checkpoint/training_state.h"

namespace still::worker {

// Keeps references to the tensors' memory. For a tensor on a device, every call waits for the device.
class TensorState final : public LiveState {
 public:
  // float [parameters] each, contiguous, on one device.
  TensorState(const at::Tensor& weights, const at::Tensor& first_moment, const at::Tensor& second_moment);

  std::size_t floats() const override;
  void Read(StateBuffer buffer, std::size_t begin, std::span<float> out) const override;
  void Write(StateBuffer buffer, std::size_t begin, std::span<const float> values) override;

 private:
  at::Tensor Range(StateBuffer buffer, std::size_t begin, std::size_t size) const;

  const std::array<at::Tensor, 3> buffers_;  // by StateBuffer
};

}  // namespace still::worker
