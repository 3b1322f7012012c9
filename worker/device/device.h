// The device that this process computes on. It is chosen once, by the task.
#pragma once

#include <c10/core/Device.h>

#include "common/proto/vocabulary.pb.h"
#include "common/status.h"

namespace still::worker {

// A plugin exports this function under the name kOpenDevice. It makes the device ready for LibTorch, registers its
// kernels (kernels.h), and sets `*outcome`: INVALID_ARGUMENT or UNAVAILABLE with a remedy when it cannot.
using OpenDeviceFunction = void(Status* outcome);
inline constexpr char kOpenDevice[] = "StillOpenDevice";

// Loads the plugin of `device` and makes the device ready. Call it once, before the first tensor and after guardians
// have been forked, because a device's context does not survive a fork. Does nothing for the CPU.
Status OpenDevice(stillhouse::v1::Device device);

// Returns LibTorch's name for `device`. A process sees one device of a kind, which is its first.
at::Device DeviceOf(stillhouse::v1::Device device);

}  // namespace still::worker
