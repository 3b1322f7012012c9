#include "common/environment.h"

#include <algorithm>
#include <cstdlib>

#include "common/check.h"

namespace still {
namespace {

constexpr EnvironmentVariable kVariables[] = {
    {"STILL_COORDINATOR", "The endpoint of the coordinator that a client talks to.",
     "The endpoint in the state directory."},
    {"STILL_FAULT", "The faults to inject, separated by commas (see common/faults/fault_point.h).", "No faults."},
    {"STILL_FSYNC", "off leaves out every sync to disk, for tests of what is written, not of its durability.",
     "Files and directories are synced."},
    {"STILL_HOST", "The name of this machine. It must agree with placements and hostfiles.",
     "The name that the kernel has for it."},
    {"STILL_KEYS", "The directory of the keys that a client of the coordinator uses.",
     "The directory keys in the state directory, if there is one."},
    {"STILL_LAUNCH", "Which launch of its stage a rank belongs to, counting from 1. The agent sets it.", "1."},
    {"STILL_LOG", "The lowest level that is logged: debug, info, warn or error.", "info."},
    {"STILL_MPIRUN", "The path of Open MPI's mpirun.",
     "The mpirun that the worker was built with, else the first one in PATH."},
    {"STILL_SCRATCH", "The directory that the ranks of one launch share on a host. The launcher sets it.",
     "The launch has no such directory."},
    {"STILL_STATE", "The coordinator's state directory.", "~/.local/state/stillhouse."},
    {"STILL_WORKER", "The path of still-worker.", "The still-worker beside the running program."},
};

void CheckName(std::string_view name) {
  STILL_CHECK(!name.starts_with("STILL_") || std::ranges::count(kVariables, name, &EnvironmentVariable::name) == 1,
              "the variable is missing in the table of common/environment.cc");
}

}  // namespace

std::span<const EnvironmentVariable> EnvironmentVariables() { return kVariables; }

std::string EnvironmentValue(std::string_view name) {
  CheckName(name);
  const char* const value = std::getenv(std::string(name).c_str());
  return value == nullptr ? "" : value;
}

void SetEnvironmentValue(std::string_view name, const std::string& value) {
  CheckName(name);
  setenv(std::string(name).c_str(), value.c_str(), /*overwrite=*/1);
}

}  // namespace still
