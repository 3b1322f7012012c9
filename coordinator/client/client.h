// A client's conversation with the coordinator: one request, one reply. Requests are sent again until they are answered
// or the deadline passes, so a lost message or a coordinator that is just being restarted costs time only; the
// coordinator recognises repeats. One thread (a ZeroMQ rule).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/proto/coordinator.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::coordinator {

struct ClientOptions {
  std::string endpoint;               // see FindCoordinator
  std::string user;                   // on record as who asked; UserName()
  std::optional<RpcClientKeys> keys;  // where the coordinator has some
  std::chrono::milliseconds deadline{5000};
  std::chrono::milliseconds resend{1000};  // without an answer for this long, the request is sent again
};

class CoordinatorClient {
 public:
  // `clock` must outlive the client. Connecting is asynchronous: whether anybody is there shows in Call.
  static Result<std::unique_ptr<CoordinatorClient>> Connect(ClientOptions options, const Clock& clock);

  // The reply to `request`, whose protocol, number and user are filled in here. What the coordinator refuses is its
  // error; no answer in time is UNAVAILABLE and says where it was looked for and what to do.
  Result<stillhouse::v1::ClientReply> Call(stillhouse::v1::ClientRequest request);
  // Asks for a view.
  Result<stillhouse::v1::View> View(const stillhouse::v1::Query& query);

  const std::string& endpoint() const { return options_.endpoint; }

 private:
  CoordinatorClient(ClientOptions options, const Clock& clock, std::unique_ptr<RpcClient> rpc);
  // The reply to the request of this number, or nothing once `until` has passed.
  Result<std::optional<stillhouse::v1::ClientReply>> Await(std::uint64_t number, Clock::TimePoint until);

  const ClientOptions options_;
  const Clock& clock_;
  const std::unique_ptr<RpcClient> rpc_;
  std::uint64_t last_request_ = 0;
};

// Who runs this process, by the password file; "uid-<n>" for one that is not in it.
std::string UserName();

// 32 hexadecimal digits from the kernel's randomness: what makes a submission's key its own.
std::string DrawKey();

}  // namespace still::coordinator
