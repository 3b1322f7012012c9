// What this machine is called: in heartbeats, in messages, in the names of files that other hosts must leave alone.
#pragma once

#include <string>

namespace still {

// STILL_HOST, else the kernel's name of this machine. Placements, hostfiles and this name should agree; where they
// cannot, STILL_HOST in the environment of that machine makes them.
std::string HostName();

}  // namespace still
