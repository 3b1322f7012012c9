// Finds the worker's code for a kind of device. Only a rank that computes on such a device loads it, so one worker
// serves hosts with and without one.
#pragma once

#include <string>

#include "common/enum_words.h"
#include "common/proto/vocabulary.pb.h"

namespace still {

// Returns the path of the plugin for `device`, beside the running program, such as ".../libstill_cuda.so", which
// this version does not have (docs/gpu.md). Returns an empty string for the CPU, which needs none.
std::string DevicePluginPath(v1::Device device);

// Returns whether this installation can compute on `device`. It says nothing about the machine.
bool HasDevicePlugin(v1::Device device);

}  // namespace still
