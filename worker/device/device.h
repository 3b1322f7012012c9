// The device that this process computes on. The plan chooses it (coordinator/plan/plan.h), and the task names it.
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

// Returns LibTorch's name for `device`. It is the first one that the process sees. Nothing gives the
// ranks of a host different devices yet.
at::Device DeviceOf(stillhouse::v1::Device device);

}  // namespace still::worker
