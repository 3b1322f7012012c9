// The coordinator as a daemon: `still serve`. One loop on one thread: messages in, decisions, one write, answers out.
// Who talks to it needs the keys of its state directory, which are made at the first start; so does a user of the same
// machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "cluster/mpirun_command.h"
#include "common/status.h"

namespace still::coordinator {

// Where it listens. The page's is empty where there is none.
struct DaemonAddresses {
  std::string endpoint;
  std::string page;
  std::string page_with_token;  // opens it
};

struct DaemonOptions {
  std::string state_directory;
  std::string endpoint = "tcp://127.0.0.1:5600";  // "*" as port: a free one
  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 5680;  // 0: a free one
  bool http = true;
  bool keys = true;      // false: takes everybody, on loopback only
  std::string hostfile;  // empty: this machine
  std::string address;   // of this machine, as the hosts reach it; needed with a hostfile
  cluster::SshOptions ssh;
  std::string still;  // path of this program, for the agents
  std::string worker;
  std::string mpirun;
  std::function<void(const DaemonAddresses&)> on_ready = [](auto&&) {};
};

// Serves until `stops` becomes positive; the jobs go on without it. UNAVAILABLE: another coordinator has the state
// directory, or a port is taken. DATA_LOSS: the journal is damaged, or not that of the attempts which are
// there. INVALID_ARGUMENT: the hostfile, or no keys where there are some or beyond loopback.
Status RunDaemon(const DaemonOptions& options, const std::atomic<int>& stops);

}  // namespace still::coordinator
