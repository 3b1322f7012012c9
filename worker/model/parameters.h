// All parameters of a model in one flat fp32 buffer, and their gradients in a second one of the same layout, both on
// one device. What is summed over ranks, stepped by the optimizer and checkpointed is therefore a single vector. A
// parameter is a named view into it. Names and order: layout.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/status.h"
#include "worker/model/layout.h"
#include "worker/model/shape.h"

namespace still::worker {

// Owned by one thread. Move-only.
class ParameterSet {
 public:
  // Zero-filled. With `trainable`, views require gradients, which autograd adds into gradients().
  ParameterSet(const ModelShape& shape, bool trainable, at::ScalarType dtype = at::kFloat,
               at::Device device = at::kCPU);
  ParameterSet(ParameterSet&&) = default;
  ParameterSet& operator=(ParameterSet&&) = default;

  // Returns a copy on `device`, trainable if this set is. Its gradients are zero.
  ParameterSet To(at::Device device) const;

  const ModelShape& shape() const { return shape_; }
  const std::vector<ParameterInfo>& layout() const { return layout_; }
  // The view of one parameter; an unknown name is a broken invariant.
  const at::Tensor& operator[](std::string_view name) const;
  const at::Tensor& weights() const { return weights_; }      // flat, 1-D
  const at::Tensor& gradients() const { return gradients_; }  // flat, 1-D; undefined when not trainable
  void ZeroGradients();

  // One parameter in another type, for matrix products. Of a trainable set it is made anew, on autograd's record; of a
  // frozen one, whose weights must no longer change, it is kept.
  at::Tensor As(std::string_view name, at::ScalarType dtype) const;

  // SHA-256 over names, shapes and bytes: the identity of the weights, whatever file they came from.
  std::string WeightsDigest() const;

 private:
  ModelShape shape_;
  std::vector<ParameterInfo> layout_;
  at::Tensor weights_;
  at::Tensor gradients_;
  std::map<std::string, at::Tensor, std::less<>> views_;
  mutable std::map<std::string, at::Tensor, std::less<>> converted_;  // frozen sets only
};

}  // namespace still::worker
