// CURVE for rpc.cc, and nobody else: how a socket gets its keys, and who may connect to a server.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::internal {

// INVALID_ARGUMENT for an endpoint that other machines reach: a server without keys takes anybody.
Status CheckOpenEndpoint(const std::string& endpoint);

Status SetClientKeys(const RpcClientKeys& keys, zmq::socket_t& socket);

// Answers for one context which clients its servers admit: libzmq asks over inproc (the ZAP protocol, RFC 27) while a
// client connects, and waits for the answer. Belongs to the thread of the server, which polls socket() beside its own.
class Admission {
 public:
  // Call before the server's socket binds; sets that socket's keys.
  static Result<std::unique_ptr<Admission>> Create(const RpcServerKeys& keys, zmq::context_t& context,
                                                   zmq::socket_t& server);

  zmq::socket_t& socket() { return socket_; }
  // Answers the questions that wait. Throws zmq::error_t.
  void Answer();

 private:
  Admission(std::set<std::string> clients, zmq::context_t& context);
  std::string Verdict(const std::vector<std::string>& question);

  const std::set<std::string> clients_;  // public keys, binary
  std::set<std::string> refused_;        // as far as they were logged
  zmq::socket_t socket_;
};

}  // namespace still::internal
