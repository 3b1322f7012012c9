// `still serve`: the coordinator as a daemon; and `still agent`, which it starts for itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace still::cli {

struct ServeFlags {
  std::string state;
  std::string hostfile;
  std::string listen = "tcp://127.0.0.1:5600";
  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 5680;
  bool no_http = false;
  bool no_keys = false;
  std::string address;
  std::string network;
  std::string ssh_identity;
  std::vector<std::string> ssh_arguments;
};

// Serves until SIGINT or SIGTERM; jobs go on without it.
Status ServeCommand(const ServeFlags& flags);
Status AgentCommand(const std::string& task_path);

}  // namespace still::cli
