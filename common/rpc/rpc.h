// Addressed messages between processes: the only owner of ZeroMQ. A server (ROUTER) knows its peers by the identity
// they connect with; a client (DEALER) talks to one server. Payloads are serialised messages of common/proto; this
// layer does not look inside. Delivery is at most once and unordered across peers; protocols above must be idempotent.
//
// Between hosts connections use CURVE: both sides have a key pair, the client knows the server's public key, the server
// admits the clients whose public keys it was given, and everything is encrypted. Who is not admitted gets no answer. A
// server without keys takes anybody, so it listens on the loopback interface only.
//
// Not thread-safe: each endpoint belongs to the thread that made it (a ZeroMQ rule).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace still {

struct RpcMessage {
  std::string peer;     // identity of the sender (server side)
  std::string payload;  // serialised message
};

// Keys are text: 40 characters of Z85.
struct RpcKeyPair {
  std::string public_key;
  std::string secret_key;
};
Result<RpcKeyPair> NewRpcKeyPair();

struct RpcServerKeys {
  RpcKeyPair own;
  std::vector<std::string> clients;  // public keys of those admitted
};

struct RpcClientKeys {
  std::string server;  // its public key
  RpcKeyPair own;
};

class RpcServer {
 public:
  // Binds, e.g. "tcp://127.0.0.1:*" (a free port). INVALID_ARGUMENT without keys for anything but loopback and local
  // sockets, and for keys that are none.
  static Result<std::unique_ptr<RpcServer>> Bind(const std::string& endpoint,
                                                 const std::optional<RpcServerKeys>& keys = {});
  virtual ~RpcServer() = default;

  // The endpoint in force, with the port filled in.
  virtual const std::string& endpoint() const = 0;
  // The next message, or nothing once `timeout` has passed.
  virtual Result<std::optional<RpcMessage>> Receive(std::chrono::milliseconds timeout) = 0;
  // Drops the message when the peer is gone.
  virtual Status Send(std::string_view peer, std::string_view payload) = 0;
};

class RpcClient {
 public:
  // `identity` must be unique among the server's peers. Connecting is asynchronous: a dead server, and one that does
  // not admit this client or is not the one with that key, shows as timeouts.
  static Result<std::unique_ptr<RpcClient>> Connect(const std::string& endpoint, const std::string& identity,
                                                    const std::optional<RpcClientKeys>& keys = {});
  virtual ~RpcClient() = default;

  virtual Status Send(std::string_view payload) = 0;
  virtual Result<std::optional<std::string>> Receive(std::chrono::milliseconds timeout) = 0;
  // Whether somebody listens there who ended our connections before they stood: a server that has keys, other keys, or
  // none, or does not admit ours. Known some time after the first Send.
  virtual bool Refused() = 0;
};

}  // namespace still
