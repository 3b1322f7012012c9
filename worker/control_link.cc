#include "worker/control_link.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/rpc.h"

namespace still::worker {
namespace {

namespace v1 = ::stillhouse::v1;
using std::chrono::milliseconds;

class RpcControlLink final : public ControlLink {
 public:
  RpcControlLink(std::unique_ptr<RpcClient> client, std::string endpoint, std::uint64_t generation, int rank,
                 const ControlLinkOptions& options)
      : client_(std::move(client)),
        endpoint_(std::move(endpoint)),
        generation_(generation),
        rank_(static_cast<std::uint32_t>(rank)),
        options_(options) {}

  void ReportProgress(const StageProgress& progress) override {
    const Clock::TimePoint now = options_.clock->Now();
    const bool last = progress.total > 0 && progress.done == progress.total;
    if (!last && last_progress_ && now - *last_progress_ < options_.progress_interval) return;
    last_progress_ = now;

    v1::Envelope envelope;
    v1::Progress& message = *envelope.mutable_progress();
    message.set_done(progress.done);
    message.set_total(progress.total);
    message.set_unit(progress.unit);
    message.set_tokens(progress.tokens);
    for (const auto& [name, value] : progress.values) (*message.mutable_values())[name] = value;
    if (const Status sent = Send(&envelope); !sent.ok() && !std::exchange(warned_, true))
      LogWarn("progress is not shown from here on, the work goes on: {}", sent.message());
  }

  Result<std::optional<std::uint32_t>> NextShard() override {
    const Clock::TimePoint deadline = options_.clock->Now() + options_.lease_deadline;
    v1::Envelope request;
    request.mutable_lease_request()->set_request(++last_request_);
    while (options_.clock->Now() < deadline) {
      // A request that could not be queued is as good as lost on the way: the next one comes in a moment.
      if (const Status sent = Send(&request); !sent.ok()) LogDebug("lease request: {}", sent.message());
      const Clock::TimePoint resend_at = std::min(deadline, options_.clock->Now() + options_.lease_resend_interval);
      STILL_ASSIGN_OR_RETURN(std::optional<v1::LeaseGrant> grant, AwaitGrant(last_request_, resend_at));
      if (!grant) continue;
      if (!grant->granted()) return std::optional<std::uint32_t>();
      return std::optional<std::uint32_t>(grant->shard());
    }
    return Error(
        Code::kUnavailable,
        "no answer from the coordinator at {} to the request for a shard within {} s; see that it runs and can "
        "be reached, then start the stage again: finished shards are kept",
        endpoint_, std::chrono::duration<double>(options_.lease_deadline).count());
  }

  Status ShardDone(std::uint32_t shard, const std::string& digest) override {
    v1::Envelope envelope;
    envelope.mutable_shard_done()->set_shard(shard);
    envelope.mutable_shard_done()->set_digest(digest);
    return Send(&envelope);
  }

  void ReportResult(const Status& status) override {
    if (client_ == nullptr) return;
    v1::Envelope envelope;
    envelope.mutable_stage_result()->set_code(static_cast<std::uint32_t>(status.code()));
    envelope.mutable_stage_result()->set_message(status.message());
    if (const Status sent = Send(&envelope); !sent.ok()) LogWarn("result not delivered: {}", sent.message());
    client_.reset();  // lingers until the message is out
  }

 private:
  Status Send(v1::Envelope* envelope) {
    STILL_CHECK(client_ != nullptr, "the control link is closed by ReportResult");
    envelope->set_generation(generation_);
    envelope->set_rank(rank_);
    return client_->Send(envelope->SerializeAsString());
  }

  // The grant for `request`, or nothing by `until`. Grants for earlier requests (answers to repeats) are dropped.
  Result<std::optional<v1::LeaseGrant>> AwaitGrant(std::uint64_t request, Clock::TimePoint until) {
    while (true) {
      const auto left = std::chrono::ceil<milliseconds>(until - options_.clock->Now());
      if (left <= milliseconds::zero()) return std::optional<v1::LeaseGrant>();
      STILL_ASSIGN_OR_RETURN(const std::optional<std::string> payload, client_->Receive(left));
      if (!payload) continue;
      v1::Envelope envelope;
      if (!envelope.ParseFromString(*payload)) {
        LogWarn("dropped a message of {} bytes from {} that is no Envelope", payload->size(), endpoint_);
        continue;
      }
      if (envelope.has_fenced())
        return Error(Code::kAborted, "generation {} is over: the coordinator at {} is at generation {}", generation_,
                     endpoint_, envelope.fenced().current_generation());
      if (envelope.has_lease_grant() && envelope.lease_grant().request() == request)
        return std::optional<v1::LeaseGrant>(envelope.lease_grant());
    }
  }

  std::unique_ptr<RpcClient> client_;
  const std::string endpoint_;
  const std::uint64_t generation_;
  const std::uint32_t rank_;
  const ControlLinkOptions options_;
  std::optional<Clock::TimePoint> last_progress_;
  bool warned_ = false;
  std::uint64_t last_request_ = 0;
};

}  // namespace

Result<std::unique_ptr<ControlLink>> ConnectControlLink(const std::string& endpoint, std::uint64_t generation, int rank,
                                                        const ControlLinkOptions& options) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcClient> client,
                         RpcClient::Connect(endpoint, fmt::format("{}.{}.{}", generation, rank, getpid())));
  return std::unique_ptr<ControlLink>(
      std::make_unique<RpcControlLink>(std::move(client), endpoint, generation, rank, options));
}

}  // namespace still::worker
