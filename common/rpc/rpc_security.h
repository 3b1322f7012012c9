// CURVE for rpc.cc alone: sets the keys of a socket, and decides which clients may connect to a server.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::internal {

// Checks the endpoint of a server without keys, which admits every client. INVALID_ARGUMENT when other machines reach
// it.
Status CheckOpenEndpoint(const std::string& endpoint);

Status SetClientKeys(const RpcClientKeys& keys, zmq::socket_t& socket);

// Decides for one context which clients its servers admit. While a client connects, libzmq asks over inproc (the ZAP
// protocol, RFC 27) and waits for the answer. Belongs to the thread of the server, which polls socket() beside its own.
class Admission {
 public:
  // Sets the keys of the server's socket. Call it before that socket binds.
  static Result<std::unique_ptr<Admission>> Create(const RpcServerKeys& keys, zmq::context_t& context,
                                                   zmq::socket_t& server);

  zmq::socket_t& socket() { return socket_; }
  // Answers all waiting questions. Throws zmq::error_t.
  void Answer();

 private:
  Admission(std::set<std::string> clients, zmq::context_t& context);
  std::string Verdict(const std::vector<std::string>& question);

  const std::set<std::string> clients_;  // public keys, binary
  std::set<std::string> refused_;        // logged already
  zmq::socket_t socket_;
};

}  // namespace still::internal
