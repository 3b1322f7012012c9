// A coordinator with canned answers: a real server on its own port, in a thread. It tests what clients do with replies.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/rpc/rpc.h"
#include "tests/testing/view_text.h"

namespace still::testing {

class FakeCoordinator {
 public:
  // Returns the reply to a request; no reply means that it is lost. Runs in the thread of the server, which echoes the
  // request number.
  using Answer = std::function<std::optional<stillhouse::v1::ClientReply>(const stillhouse::v1::ClientRequest&)>;

  explicit FakeCoordinator(Answer answer) : answer_(std::move(answer)) {
    thread_ = std::thread([this] { Serve(); });
    while (endpoint_set_ == false) std::this_thread::yield();
  }
  ~FakeCoordinator() {
    stop_ = true;
    thread_.join();
  }
  FakeCoordinator(const FakeCoordinator&) = delete;
  FakeCoordinator& operator=(const FakeCoordinator&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  // Returns the requests so far.
  std::vector<stillhouse::v1::ClientRequest> requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  void Serve() {
    auto server = RpcServer::Bind("tcp://127.0.0.1:*");
    STILL_CHECK(server.ok(), server.status().ToString());
    endpoint_ = (*server)->endpoint();
    endpoint_set_ = true;
    while (!stop_) {
      const auto message = (*server)->Receive(std::chrono::milliseconds(20));
      STILL_CHECK(message.ok(), message.status().ToString());
      stillhouse::v1::CoordinatorMessage heard;
      if (!message->has_value() || !heard.ParseFromString((*message)->payload) || !heard.has_client()) continue;
      const stillhouse::v1::ClientRequest& request = heard.client();
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(request);
      }
      std::optional<stillhouse::v1::ClientReply> reply = answer_(request);
      if (!reply) continue;
      reply->set_request(request.request());
      const Status sent = (*server)->Send((*message)->peer, reply->SerializeAsString());
      STILL_CHECK(sent.ok(), sent.ToString());
    }
  }

  const Answer answer_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> endpoint_set_{false};
  std::string endpoint_;
  mutable std::mutex mutex_;
  std::vector<stillhouse::v1::ClientRequest> requests_;
  std::thread thread_;
};

// Returns a reply with the view that `text` is in protobuf's text format.
inline stillhouse::v1::ClientReply ViewReply(const std::string& text) {
  stillhouse::v1::ClientReply reply;
  *reply.mutable_view() = ViewOf(text);
  return reply;
}

}  // namespace still::testing
