// Checks the options by which jobs reach the hosts of a hostfile, before any job needs them.
#pragma once

#include "common/status.h"
#include "coordinator/daemon/daemon.h"

namespace still::coordinator {

// Checks --address, --network and --ssh-identity. INVALID_ARGUMENT: one of them is malformed, the address is not one of
// this machine's, or options for other hosts are given without a hostfile. NOT_FOUND: there is no such identity file.
Status CheckNetworkOptions(const DaemonOptions& options);

}  // namespace still::coordinator
