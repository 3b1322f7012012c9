#include "worker/device/kernels.h"

#include <map>
#include <utility>

#include "common/check.h"
#include "worker/device/host_kernels.h"

namespace still::worker {
namespace {

using Registry = std::map<at::DeviceType, std::unique_ptr<DeviceKernels>>;

Registry& Kernels() {
  static Registry registry = [] {
    Registry made;
    made.emplace(at::kCPU, MakeHostKernels([](const void* address) { return const_cast<void*>(address); }));
    return made;
  }();
  return registry;
}

}  // namespace

const DeviceKernels& KernelsOf(const at::Device& device) {
  const auto found = Kernels().find(device.type());
  STILL_CHECK(found != Kernels().end(), "no kernels for " + device.str());
  return *found->second;
}

void RegisterKernels(at::DeviceType type, std::unique_ptr<DeviceKernels> kernels) {
  Kernels().insert_or_assign(type, std::move(kernels));
}

}  // namespace still::worker
