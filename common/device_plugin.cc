#include "common/device_plugin.h"

#include <fmt/format.h>

#include <filesystem>

namespace still {

std::string DevicePluginPath(v1::Device device) {
  if (device == v1::DEVICE_CPU) return "";
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path() / fmt::format("libstill_{}.so", EnumWord(device))).string();
}

bool HasDevicePlugin(v1::Device device) {
  std::error_code error;
  return device == v1::DEVICE_CPU || std::filesystem::exists(DevicePluginPath(device), error);
}

}  // namespace still
