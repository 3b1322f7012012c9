#include "worker/device/device.h"

#include <dlfcn.h>

#include <string>

#include "common/check.h"
#include "common/device_plugin.h"

namespace still::worker {

Status OpenDevice(v1::Device device) {
  const std::string path = DevicePluginPath(device);
  if (path.empty()) return Ok();
  void* const plugin = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (plugin == nullptr)
    return Error(Code::kUnavailable, "cannot load the code for device {}: {}; set worker.device to cpu, or mend it",
                 EnumWord(device), ::dlerror());
  auto* const open = reinterpret_cast<OpenDeviceFunction*>(::dlsym(plugin, kOpenDevice));
  if (open == nullptr)
    return Error(Code::kUnavailable, "{} is not the code for a device of this version; install still again", path);
  Status outcome;
  open(&outcome);
  return outcome;
}

at::Device DeviceOf(v1::Device device) {
  switch (device) {
    case v1::DEVICE_CPU: return at::kCPU;
    case v1::DEVICE_CUDA: return {at::kCUDA, 0};
    case v1::DEVICE_FAKE: return {at::kPrivateUse1, 0};
    default: STILL_CHECK(false, "a task whose device was not resolved");
  }
}

}  // namespace still::worker
