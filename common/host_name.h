// The name of this machine: for heartbeats, for messages, and for the names of files that other hosts must leave alone.
#pragma once

#include <string>

namespace still {

// Returns STILL_HOST, else the kernel's name of this machine. The name must agree with placements and hostfiles. Where
// the kernel's does not, set STILL_HOST in the environment of that machine.
std::string HostName();

}  // namespace still
