#include "worker/control/control_link.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "common/log.h"
#include "common/rpc/rpc.h"

namespace still::worker {
namespace {

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

  void ReportProgress(const v1::Progress& progress) override {
    ++signs_;
    const Clock::TimePoint now = options_.clock->Now();
    const bool last = progress.total() > 0 && progress.done() == progress.total() && last_done_ != progress.done();
    if (!last && last_progress_ && now - *last_progress_ < options_.progress_interval) return;
    last_progress_ = now;
    last_done_ = progress.done();

    v1::Envelope envelope;
    v1::Progress& message = *envelope.mutable_progress();
    message = progress;
    message.set_lease(lease_);
    message.set_signs(signs_);
    if (const Status sent = Send(&envelope); !sent.ok())
      WarnOnce("progress is not shown from here on, the work goes on", sent);
  }

  Result<v1::LeaseGrant> NextShard() override {
    lease_ = 0;
    signs_ = 0;
    last_done_.reset();
    while (true) {
      STILL_ASSIGN_OR_RETURN(const v1::LeaseGrant grant, AskForLease());
      lease_ = grant.lease();
      switch (grant.answer()) {
        case v1::LEASE_ANSWER_SHARD:
        case v1::LEASE_ANSWER_COMMIT:
        case v1::LEASE_ANSWER_DONE: return grant;
        case v1::LEASE_ANSWER_WAIT: options_.clock->SleepFor(options_.lease_pause); break;
        default: return Error(Code::kInternal, "the coordinator at {} is of another version", endpoint_);
      }
    }
  }

  Status ShardDone(const v1::ShardDone& done) override {
    v1::Envelope envelope;
    *envelope.mutable_shard_done() = done;
    envelope.mutable_shard_done()->set_lease(lease_);
    return Send(&envelope);
  }

  Status Poll() override {
    while (fenced_.ok()) {
      const Result<std::optional<v1::Envelope>> said = Receive(milliseconds::zero());
      if (!said.ok()) {
        WarnOnce("the coordinator is not heard from here on, the work goes on", said.status());
        break;
      }
      if (!*said) break;
    }
    return fenced_;
  }

  Status PartsWritten(const v1::PartsWritten& written) override {
    v1::Envelope envelope;
    *envelope.mutable_parts_written() = written;
    return Send(&envelope);
  }

  std::optional<std::uint64_t> PublishedStep() const override { return published_step_; }

  Result<std::uint64_t> RequestShrink(std::uint64_t step, const std::vector<int>& survivors) override {
    v1::Envelope request;
    const std::uint64_t number = ++last_request_;
    v1::ShrinkRequest& message = *request.mutable_shrink_request();
    message.set_request(number);
    message.set_step(step);
    for (const int rank : survivors) message.add_survivors(static_cast<std::uint32_t>(rank));
    STILL_ASSIGN_OR_RETURN(
        const std::optional<v1::Envelope> reply,
        Ask(&request, options_.shrink_resend_interval, options_.shrink_deadline, [number](const v1::Envelope& said) {
          return said.has_shrink_reply() && said.shrink_reply().request() == number;
        }));
    if (!reply)
      return Error(Code::kUnavailable,
                   "no answer from the coordinator at {} within {} s: {} survivors of step {} cannot go on without a "
                   "new generation",
                   endpoint_, std::chrono::duration<double>(options_.shrink_deadline).count(), survivors.size(), step);
    if (reply->shrink_reply().generation() == 0)
      return Error(Code::kAborted,
                   "the coordinator at {} refuses to let {} survivors of step {} go on: this launch of generation {} "
                   "ends, the next one continues",
                   endpoint_, survivors.size(), step, generation_);
    return reply->shrink_reply().generation();
  }

  void ReportStorageTrouble(const std::string& message) override {
    if (message == storage_trouble_) return;
    v1::Envelope envelope;
    envelope.mutable_storage_trouble()->set_message(message);
    if (const Status sent = Send(&envelope); !sent.ok()) {
      LogWarn("trouble with storage is not reported: {}", sent.message());
      return;  // the next call tries again
    }
    storage_trouble_ = message;
  }

  void ReportResult(const Status& status) override {
    if (client_ == nullptr) return;
    v1::Envelope envelope;
    envelope.mutable_stage_result()->set_code(CodeOnWire(status.code()));
    envelope.mutable_stage_result()->set_message(status.message());
    if (const Status sent = Send(&envelope); !sent.ok()) LogWarn("result not delivered: {}", sent.message());
    client_.reset();  // waits briefly until the message is sent
  }

 private:
  Result<v1::LeaseGrant> AskForLease() {
    v1::Envelope request;
    const std::uint64_t number = ++last_request_;
    request.mutable_lease_request()->set_request(number);
    STILL_ASSIGN_OR_RETURN(
        const std::optional<v1::Envelope> reply,
        Ask(&request, options_.lease_resend_interval, options_.lease_deadline, [number](const v1::Envelope& said) {
          return said.has_lease_grant() && said.lease_grant().request() == number;
        }));
    if (reply) return reply->lease_grant();
    return Error(
        Code::kUnavailable,
        "no answer from the coordinator at {} to the request for a shard within {} s; see that it runs and can "
        "be reached: finished shards are kept",
        endpoint_, std::chrono::duration<double>(options_.lease_deadline).count());
  }

  Status Send(v1::Envelope* envelope) {
    STILL_CHECK(client_ != nullptr, "the control link is closed by ReportResult");
    envelope->set_generation(generation_);
    envelope->set_rank(rank_);
    return client_->Send(envelope->SerializeAsString());
  }

  // Sends `request`, repeats it every `resend_interval`, and returns the first message that `answers` it. Returns
  // nothing when none has come after `patience`. Skips answers to earlier requests and to repeats of them. ABORTED when
  // fenced.
  Result<std::optional<v1::Envelope>> Ask(v1::Envelope* request, milliseconds resend_interval, milliseconds patience,
                                          const std::function<bool(const v1::Envelope&)>& answers) {
    const Clock::TimePoint deadline = options_.clock->Now() + patience;
    Clock::TimePoint resend_at = options_.clock->Now();
    while (true) {
      STILL_RETURN_IF_ERROR(fenced_);
      const Clock::TimePoint now = options_.clock->Now();
      if (now >= deadline) return std::optional<v1::Envelope>();
      if (now >= resend_at) {
        // A request that could not be queued counts as lost on the way: it is repeated soon.
        if (const Status sent = Send(request); !sent.ok()) LogDebug("request: {}", sent.message());
        resend_at = now + resend_interval;
      }
      const auto left = std::chrono::ceil<milliseconds>(std::min(deadline, resend_at) - now);
      STILL_ASSIGN_OR_RETURN(std::optional<v1::Envelope> said, Receive(left));
      if (said && answers(*said)) return said;
    }
  }

  // Returns the next message after recording what it says of fences and checkpoints. Returns nothing when none comes in
  // time, and an empty message for bytes that are not one.
  Result<std::optional<v1::Envelope>> Receive(milliseconds timeout) {
    STILL_CHECK(client_ != nullptr, "the control link is closed by ReportResult");
    STILL_ASSIGN_OR_RETURN(const std::optional<std::string> payload, client_->Receive(timeout));
    if (!payload) return std::optional<v1::Envelope>();
    v1::Envelope envelope;
    if (!envelope.ParseFromString(*payload)) {
      LogWarn("dropped a message of {} bytes from {}: it is not an Envelope", payload->size(), endpoint_);
      return std::optional<v1::Envelope>(v1::Envelope());
    }
    if (envelope.has_fenced())
      fenced_ = Error(Code::kAborted, "generation {} is over for rank {}: the coordinator at {} is at generation {}",
                      generation_, rank_, endpoint_, envelope.fenced().current_generation());
    if (envelope.has_checkpoint_published())  // may come late or twice
      published_step_ = std::max(published_step_.value_or(0), envelope.checkpoint_published().step());
    return std::optional<v1::Envelope>(std::move(envelope));
  }

  void WarnOnce(std::string_view what, const Status& status) {
    if (warned_.emplace(what).second) LogWarn("{}: {}", what, status.message());
  }

  std::unique_ptr<RpcClient> client_;
  const std::string endpoint_;
  const std::uint64_t generation_;
  const std::uint32_t rank_;
  const ControlLinkOptions options_;
  std::optional<Clock::TimePoint> last_progress_;  // when progress was last sent
  std::optional<std::uint64_t> last_done_;         // and how much of this shard it said was done
  std::set<std::string> warned_;                   // of what
  std::uint64_t last_request_ = 0;
  std::uint64_t lease_ = 0;  // of the shard in hand, or of the commit
  std::uint64_t signs_ = 0;  // of progress in it
  Status fenced_;            // not Ok once this rank is fenced
  std::optional<std::uint64_t> published_step_;
  std::string storage_trouble_;  // as last reported
};

}  // namespace

Result<std::unique_ptr<ControlLink>> ConnectControlLink(const std::string& endpoint, std::uint64_t generation, int rank,
                                                        const ControlLinkOptions& options) {
  STILL_ASSIGN_OR_RETURN(
      std::unique_ptr<RpcClient> client,
      RpcClient::Connect(endpoint, fmt::format("{}.{}.{}", generation, rank, getpid()), options.keys));
  return std::unique_ptr<ControlLink>(
      std::make_unique<RpcControlLink>(std::move(client), endpoint, generation, rank, options));
}

}  // namespace still::worker
