// What this machine is called in heartbeats and messages.
#pragma once

#include <string>

namespace still {

// STILL_HOST, else the kernel's name of this machine. Placements, hostfiles and this name should agree; where they
// cannot, STILL_HOST in the environment of that machine makes them.
std::string HostName();

}  // namespace still
