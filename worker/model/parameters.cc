#include "worker/model/parameters.h"

#include <ATen/ops/zeros.h>
#include <fmt/ranges.h>

#include <span>

namespace still::worker {
namespace {

class LayoutBuilder {
 public:
  void Add(std::string name, std::vector<std::int64_t> shape, bool decay) {
    std::int64_t size = 1;
    for (std::int64_t extent : shape) size *= extent;
    layout_.push_back({std::move(name), std::move(shape), next_, size, decay});
    next_ += size;
  }
  void Linear(const std::string& name, std::int64_t out, std::int64_t in) {
    Add(name + ".weight", {out, in}, true);
    Add(name + ".bias", {out}, false);
  }
  void Norm(const std::string& name, std::int64_t size) {
    Add(name + ".weight", {size}, false);
    Add(name + ".bias", {size}, false);
  }
  std::vector<ParameterInfo> Take() { return std::move(layout_); }

 private:
  std::vector<ParameterInfo> layout_;
  std::int64_t next_ = 0;
};

}  // namespace

std::vector<ParameterInfo> ParameterLayout(const ModelShape& shape) {
  LayoutBuilder builder;
  const std::int64_t hidden = shape.hidden;
  builder.Add("embeddings.word", {shape.vocabulary, hidden}, true);
  builder.Add("embeddings.position", {shape.positions, hidden}, true);
  builder.Norm("embeddings.norm", hidden);
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const std::string layer = "layer." + std::to_string(i);
    builder.Linear(layer + ".attention.qkv", 3 * hidden, hidden);
    builder.Linear(layer + ".attention.out", hidden, hidden);
    builder.Norm(layer + ".attention.norm", hidden);
    builder.Linear(layer + ".ffn.in", shape.intermediate, hidden);
    builder.Linear(layer + ".ffn.out", hidden, shape.intermediate);
    builder.Norm(layer + ".ffn.norm", hidden);
  }
  builder.Linear("head.transform", hidden, hidden);
  builder.Norm("head.norm", hidden);
  builder.Add("head.decoder.bias", {shape.vocabulary}, false);
  return builder.Take();
}

ParameterSet::ParameterSet(const ModelShape& shape, bool trainable, at::ScalarType dtype, at::Device device)
    : shape_(shape), layout_(ParameterLayout(shape)) {
  const std::int64_t total = shape.Parameters();
  STILL_CHECK(layout_.back().offset + layout_.back().size == total, "layout and parameter count disagree");
  const at::TensorOptions options = at::TensorOptions(dtype).device(device);
  weights_ = at::zeros({total}, options);
  if (trainable) gradients_ = at::zeros({total}, options);
  for (const ParameterInfo& info : layout_) {
    at::Tensor view = weights_.narrow(0, info.offset, info.size).view(info.shape).detach();
    if (trainable) {
      view.set_requires_grad(true);
      // A gradient that exists is added to in place by autograd, so the flat buffer collects them all.
      view.mutable_grad() = gradients_.narrow(0, info.offset, info.size).view(info.shape);
    }
    views_.emplace(info.name, std::move(view));
  }
}

ParameterSet ParameterSet::To(at::Device device) const {
  ParameterSet copy(shape_, gradients_.defined(), weights_.scalar_type(), device);
  copy.weights_.copy_(weights_);
  return copy;
}

const at::Tensor& ParameterSet::operator[](std::string_view name) const {
  const auto found = views_.find(name);
  STILL_CHECK(found != views_.end(), "unknown parameter " + std::string(name));
  return found->second;
}

at::Tensor ParameterSet::As(std::string_view name, at::ScalarType dtype) const {
  const at::Tensor& view = (*this)[name];
  if (view.scalar_type() == dtype) return view;
  if (view.requires_grad()) return view.to(dtype);
  const auto found = converted_.find(name);
  if (found != converted_.end() && found->second.scalar_type() == dtype) return found->second;
  return converted_.insert_or_assign(std::string(name), view.to(dtype)).first->second;
}

void ParameterSet::ZeroGradients() {
  STILL_CHECK(gradients_.defined(), "a frozen parameter set has no gradients");
  gradients_.zero_();
}

std::string ParameterSet::WeightsDigest() const {
  Sha256 sha;
  const at::Tensor host = weights_.cpu();  // no copy when it is there already
  const auto* bytes = static_cast<const std::byte*>(host.const_data_ptr());
  const auto element = static_cast<std::size_t>(weights_.element_size());
  for (const ParameterInfo& info : layout_) {
    sha.Update(fmt::format("{} {}\n", info.name, fmt::join(info.shape, "x")));
    sha.Update(std::span(bytes + static_cast<std::size_t>(info.offset) * element,
                         static_cast<std::size_t>(info.size) * element));
  }
  return Hex(sha.Finish());
}

}  // namespace still::worker
