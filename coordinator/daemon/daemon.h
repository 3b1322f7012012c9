// The coordinator as a daemon: `still serve`. One loop on one thread receives messages, decides, writes once and sends
// the answers. Every client needs the keys of the state directory, also on the same machine. The first start makes
// them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "cluster/mpirun_command.h"
#include "common/status.h"

namespace still::coordinator {

// The addresses at which the daemon listens. The page's are empty without a status page.
struct DaemonAddresses {
  std::string endpoint;
  std::string page;
  std::string page_with_token;  // the address that a browser opens
};

struct DaemonOptions {
  std::string state_directory;
  std::string endpoint = "tcp://127.0.0.1:5600";  // port "*" takes a free one
  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 5680;  // 0 takes a free one
  bool http = true;
  bool keys = true;      // without keys it serves everybody, on loopback only
  std::string hostfile;  // empty for this machine alone
  std::string address;   // of this machine as the hosts reach it; required with a hostfile
  cluster::SshOptions ssh;
  std::string still;  // path of this program, which also runs the agents
  std::string worker;
  std::string mpirun;
  std::function<void(const DaemonAddresses&)> on_ready = [](auto&&) {};
};

// Serves until `stops` becomes positive. The jobs go on without the daemon. UNAVAILABLE: another coordinator has the
// state directory, or a port is taken. DATA_LOSS: the journal is damaged, or the state directory has attempts that it
// does not know. PERMISSION_DENIED: the state directory is open to others. INVALID_ARGUMENT: the hostfile or an
// option for its hosts is invalid, or `keys` is false although there are keys or an address beyond loopback. NOT_FOUND:
// there is no such hostfile or identity file.
Status RunDaemon(const DaemonOptions& options, const std::atomic<int>& stops);

}  // namespace still::coordinator
