#include "worker/train/tensor_state.h"

#include <ATen/ops/from_blob.h>

#include "common/check.h"

namespace still::worker {
namespace {

at::Tensor Over(float* values, std::size_t size) {
  return at::from_blob(values, {static_cast<std::int64_t>(size)}, at::kFloat);
}

}  // namespace

TensorState::TensorState(const at::Tensor& weights, const at::Tensor& first_moment, const at::Tensor& second_moment)
    : buffers_{weights.detach(), first_moment, second_moment} {
  for (const at::Tensor& buffer : buffers_)
    STILL_CHECK(buffer.is_contiguous() && buffer.numel() == weights.numel() && buffer.scalar_type() == at::kFloat,
                "the buffers of a state are floats of one size");
}

std::size_t TensorState::floats() const { return static_cast<std::size_t>(buffers_[0].numel()); }

void TensorState::Read(StateBuffer buffer, std::size_t begin, std::span<float> out) const {
  Over(out.data(), out.size()).copy_(Range(buffer, begin, out.size()));
}

void TensorState::Write(StateBuffer buffer, std::size_t begin, std::span<const float> values) {
  Range(buffer, begin, values.size()).copy_(Over(const_cast<float*>(values.data()), values.size()));
}

at::Tensor TensorState::Range(StateBuffer buffer, std::size_t begin, std::size_t size) const {
  STILL_CHECK(begin + size <= floats(), "a range within the state");
  return buffers_[static_cast<std::size_t>(buffer)].narrow(0, static_cast<std::int64_t>(begin),
                                                           static_cast<std::int64_t>(size));
}

}  // namespace still::worker
