#include "common/rpc/rpc.h"

#include <zmq.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/rpc/rpc_security.h"

namespace still {
namespace {

constexpr int kLingerMs = 200;  // how long an ending process waits for its last messages to leave
constexpr std::int64_t kLargestMessageBytes = std::int64_t{64} << 20;
constexpr std::size_t kMostFrames = 2;  // a message of ours: sender and payload

Status ZmqStatus(const zmq::error_t& error, std::string_view action, const std::string& endpoint) {
  switch (error.num()) {
    case EACCES:
      return Error(Code::kPermissionDenied, "{} {}: {}: choose a port above 1023", action, endpoint, error.what());
    case EINVAL:
    case ENODEV:
    case EPROTONOSUPPORT:
      return Error(Code::kInvalidArgument, "{} '{}': {}: expected an endpoint like tcp://127.0.0.1:5600", action,
                   endpoint, error.what());
    default: return Error(Code::kUnavailable, "{} {}: {}", action, endpoint, error.what());
  }
}

// A socket with a context of its own, so that closing it waits for no other socket's messages.
struct Endpoint {
  Endpoint(zmq::socket_type type, std::string its_name) : context(1), socket(context, type), name(std::move(its_name)) {
    socket.set(zmq::sockopt::linger, kLingerMs);
    socket.set(zmq::sockopt::maxmsgsize, kLargestMessageBytes);
  }

  // Returns the frames of the next message, or none once the timeout has passed or a signal came. Meanwhile
  // `admission`, if there is one, answers for connecting clients.
  Result<std::vector<std::string>> Receive(std::chrono::milliseconds timeout, internal::Admission* admission) {
    try {
      return WaitForMessage(timeout, admission) ? TakeFrames() : std::vector<std::string>();
    } catch (const zmq::error_t& error) {
      if (error.num() == EINTR) return std::vector<std::string>();
      return ZmqStatus(error, "cannot receive at", name);
    }
  }

  bool WaitForMessage(std::chrono::milliseconds timeout, internal::Admission* admission) {
    const Clock& clock = Clock::System();
    const Clock::TimePoint until = clock.Now() + timeout;
    while (true) {
      zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, 0, ZMQ_POLLIN, 0}};
      if (admission != nullptr) items[1].socket = admission->socket().handle();
      zmq::poll(items, admission != nullptr ? 2 : 1, timeout);
      if (admission != nullptr && items[1].revents != 0) admission->Answer();
      if (items[0].revents != 0) return true;
      timeout = std::chrono::ceil<std::chrono::milliseconds>(until - clock.Now());
      if (timeout <= std::chrono::milliseconds::zero()) return false;
    }
  }

  // A message of too many frames is read to its end and dropped.
  std::vector<std::string> TakeFrames() {
    std::vector<std::string> frames;
    zmq::message_t frame;
    do {
      if (!socket.recv(frame, zmq::recv_flags::dontwait)) return {};
      if (frames.size() <= kMostFrames) frames.push_back(frame.to_string());
    } while (frame.more());
    return frames;
  }

  Status Send(std::string_view bytes, zmq::send_flags flags) {
    try {
      if (socket.send(zmq::buffer(bytes), flags | zmq::send_flags::dontwait)) return Ok();
    } catch (const zmq::error_t& error) {
      return ZmqStatus(error, "cannot send to", name);
    }
    return Error(Code::kUnavailable, "cannot send to {}: too many messages wait for it: is the other side running?",
                 name);
  }

  zmq::context_t context;
  zmq::socket_t socket;
  std::string name;
};

class Server final : public RpcServer {
 public:
  explicit Server(const std::string& endpoint) : router_(zmq::socket_type::router, endpoint) {
    // A peer that comes back under its identity takes over from its dead connection.
    router_.socket.set(zmq::sockopt::router_handover, true);
  }

  Status Bind(const std::optional<RpcServerKeys>& keys) {
    if (keys) {
      STILL_ASSIGN_OR_RETURN(admission_, internal::Admission::Create(*keys, router_.context, router_.socket));
    } else {
      STILL_RETURN_IF_ERROR(internal::CheckOpenEndpoint(router_.name));
    }
    router_.socket.bind(router_.name);
    router_.name = router_.socket.get(zmq::sockopt::last_endpoint);
    return Ok();
  }

  const std::string& endpoint() const override { return router_.name; }

  Result<std::optional<RpcMessage>> Receive(std::chrono::milliseconds timeout) override {
    STILL_ASSIGN_OR_RETURN(auto frames, router_.Receive(timeout, admission_.get()));
    if (frames.size() != 2) return std::optional<RpcMessage>();  // nothing came, or it is no message of ours
    return std::optional<RpcMessage>({std::move(frames[0]), std::move(frames[1])});
  }

  Status Send(std::string_view peer, std::string_view payload) override {
    STILL_RETURN_IF_ERROR(router_.Send(peer, zmq::send_flags::sndmore));
    return router_.Send(payload, zmq::send_flags::none);
  }

 private:
  Endpoint router_;
  std::unique_ptr<internal::Admission> admission_;  // in the context of router_; null: every client is admitted
};

// Watches the handshakes of a socket's connections. Poll it now and then, because unread events are kept in memory.
class Handshakes {
 public:
  explicit Handshakes(Endpoint& endpoint) : monitor_(endpoint.context, zmq::socket_type::pair) {
    const int rc = zmq_socket_monitor(endpoint.socket.handle(), kAddress, kEnded | ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    if (rc != 0) throw zmq::error_t();
    monitor_.set(zmq::sockopt::linger, 0);
    monitor_.connect(kAddress);
  }

  // A server that ends during a handshake looks like one that refuses the keys, so one reset is not enough.
  bool Refused() {
    Look();
    return said_no_ || resets_ > 1;
  }
  // Shows nothing when the monitor fails, because it only explains silence.
  void Look() try {
    zmq::message_t event, address;
    while (monitor_.recv(event, zmq::recv_flags::dontwait)) {
      if (!monitor_.recv(address)) return;
      std::uint16_t number = 0;
      std::memcpy(&number, event.data(), sizeof number);
      if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) said_no_ = false, resets_ = 0;
      if (number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) ++resets_;
      if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) said_no_ = true;
    }
  } catch (const zmq::error_t& error) {
    LogWarn("cannot watch the handshakes with {}: {}", kAddress, error.what());
  }

 private:
  static constexpr const char* kAddress = "inproc://handshakes";
  static constexpr int kEnded =
      ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

  zmq::socket_t monitor_;
  bool said_no_ = false;
  std::uint64_t resets_ = 0;
};

class Client final : public RpcClient {
 public:
  Client(const std::string& endpoint, const std::string& identity)
      : dealer_(zmq::socket_type::dealer, endpoint), handshakes_(dealer_) {
    dealer_.socket.set(zmq::sockopt::routing_id, identity);
  }

  Status Connect(const std::optional<RpcClientKeys>& keys) {
    if (keys) STILL_RETURN_IF_ERROR(internal::SetClientKeys(*keys, dealer_.socket));
    dealer_.socket.connect(dealer_.name);
    return Ok();
  }

  Status Send(std::string_view payload) override {
    handshakes_.Look();
    return dealer_.Send(payload, zmq::send_flags::none);
  }

  Result<std::optional<std::string>> Receive(std::chrono::milliseconds timeout) override {
    STILL_ASSIGN_OR_RETURN(auto frames, dealer_.Receive(timeout, nullptr));
    if (frames.size() != 1) return std::optional<std::string>();
    return std::optional<std::string>(std::move(frames[0]));
  }

  bool Refused() override { return handshakes_.Refused(); }

 private:
  Endpoint dealer_;
  Handshakes handshakes_;
};

}  // namespace

Result<std::unique_ptr<RpcServer>> RpcServer::Bind(const std::string& endpoint,
                                                   const std::optional<RpcServerKeys>& keys) {
  try {
    auto server = std::make_unique<Server>(endpoint);
    STILL_RETURN_IF_ERROR(server->Bind(keys));
    return std::unique_ptr<RpcServer>(std::move(server));
  } catch (const zmq::error_t& error) {
    return ZmqStatus(error, "cannot listen at", endpoint);
  }
}

Result<std::unique_ptr<RpcClient>> RpcClient::Connect(const std::string& endpoint, const std::string& identity,
                                                      const std::optional<RpcClientKeys>& keys) {
  STILL_CHECK(!identity.empty() && identity.size() <= 255 && identity[0] != '\0', "1 to 255 bytes, the first not zero");
  try {
    auto client = std::make_unique<Client>(endpoint, identity);
    STILL_RETURN_IF_ERROR(client->Connect(keys));
    return std::unique_ptr<RpcClient>(std::move(client));
  } catch (const zmq::error_t& error) {
    return ZmqStatus(error, "cannot connect to", endpoint);
  }
}

}  // namespace still
