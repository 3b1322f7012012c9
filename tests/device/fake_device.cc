#include "tests/device/fake_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <set>
#include <utility>
#include <vector>

#include "tests/device/fake_memory.h"
#include "worker/device/host_kernels.h"
#include "worker/device/kernels.h"

namespace still::testing {
namespace {

constexpr c10::DispatchKeySet kFakeKeys(c10::DispatchKey::PrivateUse1);

// One call of an operator: its device tensors are replaced by CPU tensors over the same bytes, and its results by
// tensors of the device.
class BoxedCall {
 public:
  BoxedCall(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(*stack) {}

  void Run() {
    const std::size_t arguments = op_.schema().arguments().size();
    for (std::size_t i = stack_.size() - arguments; i < stack_.size(); ++i) stack_[i] = AliasOf(stack_[i]);
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    TakeOverResized();
    const std::size_t results = op_.schema().returns().size();
    for (std::size_t i = stack_.size() - results; i < stack_.size(); ++i) stack_[i] = DeviceOf(stack_[i]);
  }

 private:
  c10::IValue AliasOf(const c10::IValue& value) {
    if (value.isTensor()) return Alias(value.toTensor());
    if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(Alias(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor> tensor : value.toOptionalTensorList())
        list.push_back(tensor ? std::optional(Alias(*tensor)) : std::nullopt);
      return list;
    }
    if (value.isDevice() && value.toDevice().type() == kFakeType) return at::Device(at::kCPU);
    return value;
  }

  at::Tensor Alias(const at::Tensor& tensor) {
    if (!OnFake(tensor)) {
      // As with CUDA, a CPU tensor without dimensions may take part in most operators, and another one in few.
      const std::string& name = op_.schema().name();
      TORCH_CHECK(!tensor.defined() || tensor.dim() == 0 || name == "aten::index" || name == "aten::index_put_", name,
                  ": a tensor of shape ", tensor.sizes(), " is on ", tensor.device(), ", not on the device");
      return tensor;
    }
    for (const auto& [device, alias] : aliases_) {
      if (device.is_same(tensor)) return alias;
    }
    return aliases_.emplace_back(tensor, HostAlias(tensor)).second;
  }

  // An output argument without memory has got some from the CPU's operator.
  void TakeOverResized() {
    for (const auto& [device, alias] : aliases_) {
      if (device.sizes() == alias.sizes() || device.numel() != 0) continue;
      device.resize_(alias.sizes());
      HostAlias(device).copy_(alias);
    }
  }

  c10::IValue DeviceOf(const c10::IValue& value) {
    if (value.isTensor()) return Device(value.toTensor());
    if (!value.isTensorList()) return value;
    std::vector<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(Device(tensor));
    return list;
  }

  at::Tensor Device(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.device().is_cpu()) return tensor;
    for (const auto& [device, alias] : aliases_) {
      if (alias.is_same(tensor)) return device;
    }
    if (tensor.numel() > 0 && IsFakeHostAddress(tensor.const_data_ptr())) {
      for (const auto& [device, alias] : aliases_) {
        if (Within(tensor, alias)) return ViewOf(device, alias, tensor);
      }
    }
    at::Tensor moved = at::detail::empty_strided_generic(tensor.sizes(), tensor.strides(), &FakeMemory(), kFakeKeys,
                                                         tensor.scalar_type());
    if (tensor.numel() > 0) HostAlias(moved).copy_(tensor);
    return moved;
  }

  static bool Within(const at::Tensor& tensor, const at::Tensor& of) {
    const auto* const address = static_cast<const std::byte*>(tensor.const_data_ptr());
    const auto* const begin = static_cast<const std::byte*>(of.storage().data());
    return address >= begin && address < begin + of.storage().nbytes();
  }

  // Returns what the operator made a view of the argument's alias, as a view of the argument.
  static at::Tensor ViewOf(const at::Tensor& device, const at::Tensor& alias, const at::Tensor& tensor) {
    at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(device.storage()),
                                                               device.key_set(), tensor.dtype());
    const std::ptrdiff_t bytes =
        static_cast<const std::byte*>(tensor.const_data_ptr()) - static_cast<const std::byte*>(alias.storage().data());
    view.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                      bytes / static_cast<std::ptrdiff_t>(tensor.itemsize()));
    return view;
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  std::vector<std::pair<at::Tensor, at::Tensor>> aliases_;  // of the device, and over its bytes
};

// Runs every operator that has no kernel below.
void RunOnHost(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  static const std::set<std::string> kNeedTheirResult = {"aten::nonzero",    "aten::equal",    "aten::masked_select",
                                                         "aten::unique_dim", "aten::_unique2", "aten::is_nonzero"};
  const std::lock_guard lock(FakeMutex());
  const std::string& name = op.schema().name();
  ++MutableFakeCounters().operators[name];
  if (kNeedTheirResult.contains(name)) WaitForFake(name);
  BoxedCall(op, stack).Run();
}

at::Tensor Empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &FakeMemory(), kFakeKeys,
                                   c10::dtype_or_default(dtype), format);
}
at::Tensor EmptyStrided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                           &FakeMemory(), kFakeKeys, c10::dtype_or_default(dtype));
}
const at::Tensor& Resize(const at::Tensor& tensor, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
  TORCH_CHECK(tensor.storage_offset() == 0, "the fake device resizes whole tensors only");
  const c10::IntArrayRef extents = C10_AS_INTARRAYREF_SLOW(size);
  const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(extents)) * tensor.itemsize();
  if (bytes > tensor.storage().nbytes()) {
    c10::StorageImpl* const storage = tensor.storage().unsafeGetStorageImpl();
    c10::DataPtr grown = FakeMemory().allocate(bytes);
    if (storage->nbytes() > 0) FakeMemory().copy_data(grown.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr(std::move(grown));
    storage->set_nbytes(bytes);
  }
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(extents);
  return tensor;
}
at::Tensor& SetSource(at::Tensor& tensor, at::Storage source, c10::SymInt offset, c10::SymIntArrayRef size,
                      c10::SymIntArrayRef stride) {
  c10::TensorImpl* const implementation = tensor.unsafeGetTensorImpl();
  implementation->set_storage_keep_dtype(std::move(source));
  implementation->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                        offset.expect_int());
  return tensor;
}
at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  FakeCopy(from, to, non_blocking);
  return to;
}
at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  FakeCopy(from, to, /*non_blocking=*/false);
  return to;
}
at::Scalar LocalScalar(const at::Tensor& tensor) {
  WaitForFake("item");
  return HostAlias(tensor).item();
}

// Answers what the rest of LibTorch asks of a device.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  at::DeviceType type() const override { return kFakeType; }
  at::Device exchangeDevice(at::Device) const override { return FakeDevice(); }
  at::Device getDevice() const override { return FakeDevice(); }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  c10::Stream getStream(at::Device) const override { return c10::Stream(c10::Stream::DEFAULT, FakeDevice()); }
  c10::Stream getDefaultStream(at::Device) const override { return getStream(FakeDevice()); }
  c10::Stream getNewStream(at::Device, int) const override { return getStream(FakeDevice()); }
  c10::Stream exchangeStream(c10::Stream) const override { return getStream(FakeDevice()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override { WaitForFake("stream"); }
  void synchronizeEvent(void*) const override { WaitForFake("event"); }
  void synchronizeDevice(c10::DeviceIndex) const override { WaitForFake("device"); }
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  bool isPinnedPtr(const void* address) const override { return IsPinned(address); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &FakePinnedMemory(); }
  at::Device getDeviceFromPtr(void*) const override { return FakeDevice(); }
};

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnHost>());
}
TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("resize_", &Resize);
  library.impl("set_.source_Storage_storage_offset", &SetSource);
  library.impl("_copy_from", &CopyFrom);
  library.impl("_copy_from_and_resize", &CopyFromAndResize);
  library.impl("_local_scalar_dense", &LocalScalar);
  // Its composite kernel would be taken before the fallback: other operators than the CPU's, and other bits.
  library.impl("native_layer_norm", torch::CppFunction::makeFromBoxedFunction<&RunOnHost>());
}

}  // namespace

at::Device FakeDevice() { return {kFakeType, 0}; }

void InstallFakeDevice(std::size_t memory_bytes) {
  static const bool installed = [memory_bytes] {
    static Hooks hooks;
    ReserveFakeMemory(memory_bytes);
    c10::register_privateuse1_backend("fake");
    c10::SetAllocator(kFakeType, &FakeMemory());
    at::RegisterPrivateUse1HooksInterface(&hooks);
    worker::RegisterKernels(kFakeType, worker::MakeHostKernels(&FakeHostAddress));
    return true;
  }();
  static_cast<void>(installed);
}

}  // namespace still::testing
