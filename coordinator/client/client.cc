#include "coordinator/client/client.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/digest.h"
#include "common/entropy.h"
#include "common/enum_words.h"
#include "common/rpc/protocol.h"

namespace still::coordinator {

using std::chrono::milliseconds;

Result<std::unique_ptr<CoordinatorClient>> CoordinatorClient::Connect(ClientOptions options, const Clock& clock) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcClient> rpc,
                         RpcClient::Connect(options.endpoint, "client-" + DrawKey(), options.keys));
  return std::unique_ptr<CoordinatorClient>(new CoordinatorClient(std::move(options), clock, std::move(rpc)));
}

CoordinatorClient::CoordinatorClient(ClientOptions options, const Clock& clock, std::unique_ptr<RpcClient> rpc)
    : options_(std::move(options)), clock_(clock), rpc_(std::move(rpc)) {}

Result<v1::ClientReply> CoordinatorClient::Call(v1::ClientRequest request) {
  request.set_protocol(kProtocol);
  request.set_request(++last_request_);
  request.set_user(options_.user);
  v1::CoordinatorMessage message;
  *message.mutable_client() = std::move(request);
  const std::string payload = message.SerializeAsString();
  const Clock::TimePoint deadline = clock_.Now() + options_.deadline;
  while (clock_.Now() < deadline) {
    const Status sent = rpc_->Send(payload);
    if (rpc_->Refused()) {
      return Error(Code::kUnavailable,
                   "the coordinator at {} refuses us: {}; name the state directory that has its keys (--state, "
                   "STILL_STATE), or where its client keys are (--keys, STILL_KEYS)",
                   options_.endpoint,
                   options_.keys ? "it has no keys, or others than ours" : "it has keys, which we lack");
    }
    STILL_RETURN_IF_ERROR(sent);
    STILL_ASSIGN_OR_RETURN(auto reply, Await(last_request_, std::min(deadline, clock_.Now() + options_.resend)));
    if (!reply) continue;
    if (reply->code() == v1::CODE_OK) return std::move(*reply);
    return Status(CodeFromWire(reply->code()), reply->message());
  }
  return Error(Code::kUnavailable,
               "the coordinator at {} did not answer for {} s; is it running{}? Start one with `still serve`, or name "
               "another with --coordinator",
               options_.endpoint, std::chrono::duration<double>(options_.deadline).count(),
               options_.keys ? ", and with the keys that we have" : "");
}

Result<std::optional<v1::ClientReply>> CoordinatorClient::Await(std::uint64_t number, Clock::TimePoint until) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - clock_.Now());
    if (left <= milliseconds(0)) return std::optional<v1::ClientReply>();
    STILL_ASSIGN_OR_RETURN(const std::optional<std::string> payload, rpc_->Receive(left));
    if (!payload) continue;
    v1::ClientReply reply;
    if (!reply.ParseFromString(*payload))
      return Error(Code::kUnavailable,
                   "{} does not answer like a coordinator: name the endpoint of a coordinator with --coordinator",
                   options_.endpoint);
    if (reply.request() == number) return std::optional<v1::ClientReply>(std::move(reply));  // else a late repeat
  }
}

Result<v1::View> CoordinatorClient::View(const v1::Query& query) {
  v1::ClientRequest request;
  *request.mutable_query() = query;
  STILL_ASSIGN_OR_RETURN(v1::ClientReply reply, Call(std::move(request)));
  return std::move(*reply.mutable_view());
}

std::string UserName() {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return fmt::format("uid-{}", geteuid());
}

std::string DrawKey() {
  std::array<std::uint8_t, 16> drawn;
  FillWithEntropy(std::as_writable_bytes(std::span(drawn)));
  return Hex(drawn);
}

}  // namespace still::coordinator
