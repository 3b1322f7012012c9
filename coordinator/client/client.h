// The client's side of the conversation with a coordinator.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::coordinator {

struct ClientOptions {
  std::string endpoint;               // see FindCoordinator()
  std::string user;                   // recorded with each change; usually UserName()
  std::optional<RpcClientKeys> keys;  // required when the coordinator has keys
  std::chrono::milliseconds deadline{5000};
  std::chrono::milliseconds resend{1000};  // an unanswered request is sent again after this time
};

// CoordinatorClient sends one request at a time and waits for its reply. It sends a request again until the reply comes
// or the deadline passes. A lost message or a restart of the coordinator therefore costs only time, and the coordinator
// recognises repeats. One thread uses the object, as ZeroMQ requires.
class CoordinatorClient {
 public:
  // Starts to connect. `clock` must outlive the client. Only Call() shows whether a coordinator answers.
  static Result<std::unique_ptr<CoordinatorClient>> Connect(ClientOptions options, const Clock& clock);

  // Sends `request` with protocol, number and user filled in, and returns the reply. A refusal is the coordinator's own
  // error. UNAVAILABLE: no coordinator answered in time, or it did not accept the keys.
  Result<v1::ClientReply> Call(v1::ClientRequest request);
  // Returns a view.
  Result<v1::View> View(const v1::Query& query);

  const std::string& endpoint() const { return options_.endpoint; }

 private:
  CoordinatorClient(ClientOptions options, const Clock& clock, std::unique_ptr<RpcClient> rpc);
  // Returns the reply to the request with this number, or nothing once `until` has passed.
  Result<std::optional<v1::ClientReply>> Await(std::uint64_t number, Clock::TimePoint until);

  const ClientOptions options_;
  const Clock& clock_;
  const std::unique_ptr<RpcClient> rpc_;
  std::uint64_t last_request_ = 0;
};

// Returns the name of this process's user, or "uid-<n>" for a user that the password file does not have.
std::string UserName();

// Returns 32 hexadecimal digits from the kernel's random source. They make the key of a submission unique.
std::string DrawKey();

}  // namespace still::coordinator
