#include "coordinator/daemon/network_options.h"

#include <arpa/inet.h>

#include <array>
#include <string>
#include <string_view>

#include "common/parse_number.h"
#include "common/rpc/keys.h"
#include "common/rpc/rpc.h"
#include "common/storage/files.h"

namespace still::coordinator {
namespace {

// Returns true for a network like 10.0.0.0/24 or fd00::/64.
bool IsCidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  unsigned bits = 0;
  if (slash == std::string_view::npos || !ParseNumber(text.substr(slash + 1), &bits)) return false;
  const std::string address(text.substr(0, slash));
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  if (inet_pton(AF_INET, address.c_str(), parsed.data()) == 1) return bits <= 32;
  return inet_pton(AF_INET6, address.c_str(), parsed.data()) == 1 && bits <= 128;
}

// Open MPI takes several networks with commas between them.
bool IsListOfCidrs(std::string_view text) {
  while (true) {
    const std::size_t comma = text.find(',');
    if (!IsCidr(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

// Listens at the address for a moment, as each launch will do.
Status CheckAddress(const std::string& address) {
  if (address == "*" || address == "0.0.0.0" || address == "::")
    return Error(Code::kInvalidArgument,
                 "--address {} stands for every address: name the one at which the hosts reach this machine", address);
  STILL_ASSIGN_OR_RETURN(const RpcKeyPair own, NewRpcKeyPair());
  const auto bound = RpcServer::Bind("tcp://" + address + ":*", RpcServerKeys{.own = own, .clients = {own.public_key}});
  if (bound.ok()) return Ok();
  return Error(Code::kInvalidArgument,
               "--address {}: cannot listen there: give the IP address at which the hosts reach this machine "
               "(`hostname -I` lists its addresses)",
               address);
}

}  // namespace

Status CheckNetworkOptions(const DaemonOptions& options) {
  const cluster::SshOptions& ssh = options.ssh;
  if (options.hostfile.empty()) {
    const std::string_view given = !options.address.empty()     ? "--address"
                                   : !ssh.network.empty()       ? "--network"
                                   : !ssh.identity_file.empty() ? "--ssh-identity"
                                   : !ssh.arguments.empty()     ? "--ssh-argument"
                                                                : "";
    if (given.empty()) return Ok();
    return Error(Code::kInvalidArgument, "{} concerns the hosts of a hostfile, and there is none: give --hosts too",
                 given);
  }
  if (options.address.empty())
    return Error(Code::kInvalidArgument,
                 "with a hostfile, say at which address of this machine its hosts reach it (--address)");
  STILL_RETURN_IF_ERROR(CheckAddress(options.address));
  if (!ssh.network.empty() && !IsListOfCidrs(ssh.network))
    return Error(Code::kInvalidArgument, "--network {}: not a network; write it like 10.0.0.0/24", ssh.network);
  if (ssh.identity_file.empty()) return Ok();
  return ReadFile(ssh.identity_file).status().WithContext("--ssh-identity");
}

}  // namespace still::coordinator
