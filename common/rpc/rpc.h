// Addressed messages between processes. The only owner of ZeroMQ. A server (ROUTER) knows its peers by the identity
// that they connect with. A client (DEALER) talks to one server. Payloads are serialised messages of common/proto, and
// this layer does not look inside. A message has at most 64 MiB. Delivery is at most once and unordered across
// peers, so protocols must be idempotent.
//
// Between hosts connections use CURVE. Both sides have a key pair, and everything is encrypted. The client knows the
// server's public key, and the server admits the clients whose public keys it was given. A client that is not admitted
// gets no answer. A server without keys admits every client, so it listens on the loopback interface only.
//
// One thread at a time uses an endpoint. Another one may take it over after the two have synchronised, for example by
// a join (a rule of ZeroMQ).
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

// A CURVE key pair. Each key is text: 40 characters of Z85.
struct RpcKeyPair {
  std::string public_key;
  std::string secret_key;
};
Result<RpcKeyPair> NewRpcKeyPair();

struct RpcServerKeys {
  RpcKeyPair own;
  std::vector<std::string> clients;  // public keys of the clients to admit
};

struct RpcClientKeys {
  std::string server;  // the public key of the server
  RpcKeyPair own;
};

class RpcServer {
 public:
  // Binds an endpoint, for example "tcp://127.0.0.1:*" (a free port). INVALID_ARGUMENT for malformed keys, and without
  // keys for any endpoint but loopback and local sockets.
  static Result<std::unique_ptr<RpcServer>> Bind(const std::string& endpoint,
                                                 const std::optional<RpcServerKeys>& keys = {});
  virtual ~RpcServer() = default;

  // Returns the endpoint in force, with the port filled in.
  virtual const std::string& endpoint() const = 0;
  // Returns the next message, or nothing once `timeout` has passed.
  virtual Result<std::optional<RpcMessage>> Receive(std::chrono::milliseconds timeout) = 0;
  // Sends to one peer. Drops the message when the peer is gone.
  virtual Status Send(std::string_view peer, std::string_view payload) = 0;
};

class RpcClient {
 public:
  // Starts to connect. `identity` must be unique among the server's peers. A dead server shows as timeouts, and so does
  // a server that does not admit this client or has another key.
  static Result<std::unique_ptr<RpcClient>> Connect(const std::string& endpoint, const std::string& identity,
                                                    const std::optional<RpcClientKeys>& keys = {});
  virtual ~RpcClient() = default;

  virtual Status Send(std::string_view payload) = 0;
  virtual Result<std::optional<std::string>> Receive(std::chrono::milliseconds timeout) = 0;
  // Returns true when a server listens there but ended our connections during the handshake: its keys and ours do not
  // fit, or it does not admit us. Known some time after the first Send.
  virtual bool Refused() = 0;
};

}  // namespace still
