// Addressed messages between processes: the only owner of ZeroMQ. A server (ROUTER) knows its peers by the identity
// they connect with; a client (DEALER) talks to one server. Payloads are serialised messages of common/proto; this
// layer does not look inside. Delivery is at most once and unordered across peers; protocols above must be idempotent.
//
// Not thread-safe: each endpoint belongs to the thread that made it (a ZeroMQ rule).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

struct RpcMessage {
  std::string peer;     // identity of the sender (server side)
  std::string payload;  // serialised message
};

class RpcServer {
 public:
  // Binds, e.g. "tcp://127.0.0.1:*" (a free port).
  static Result<std::unique_ptr<RpcServer>> Bind(const std::string& endpoint);
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
  // `identity` must be unique among the server's peers. Connecting is asynchronous: a dead server shows as timeouts.
  static Result<std::unique_ptr<RpcClient>> Connect(const std::string& endpoint, const std::string& identity);
  virtual ~RpcClient() = default;

  virtual Status Send(std::string_view payload) = 0;
  virtual Result<std::optional<std::string>> Receive(std::chrono::milliseconds timeout) = 0;
};

}  // namespace still
