// A worker's connection to the coordinator: progress goes out, shard leases come in (control.proto has the messages).
// Losing the coordinator is not a failure of the work. Progress is then dropped with one warning. Only calls that
// cannot go on alone, NextShard and RequestShrink, return UNAVAILABLE after their deadlines. One thread at a time uses
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::worker {

class ControlLink {
 public:
  virtual ~ControlLink() = default;
  // Reports how far this rank is. Never blocks. Within a lease every call is a sign of progress, which renews the
  // lease. At most one report per `progress_interval` is sent, and the others are dropped; the first report with done
  // == total is always sent.
  virtual void ReportProgress(const v1::Progress& progress) = 0;
  // Gives up the shard in hand and returns what to do next: the answer is SHARD, COMMIT or DONE, never WAIT. Blocks
  // while other ranks hold all that is left, because one of them may die. ReportProgress and ShardDone speak of the
  // lease that was returned last. ABORTED when this generation is over.
  virtual Result<v1::LeaseGrant> NextShard() = 0;
  // Reports the shard in hand as done. Fills in the lease.
  virtual Status ShardDone(const v1::ShardDone& done) = 0;
  // Reads the messages that have arrived, without waiting. ABORTED when this rank is fenced: the coordinator will
  // accept nothing from it any more.
  virtual Status Poll() = 0;
  // Reports that this rank's share of a checkpoint is durable.
  virtual Status PartsWritten(const v1::PartsWritten& written) = 0;
  // Returns the newest step whose checkpoint the coordinator has published, as of the last Poll; nullopt when none is.
  virtual std::optional<std::uint64_t> PublishedStep() const = 0;
  // Asks to go on with the `survivors` (ranks at launch) and returns the generation to go on as. ABORTED when refused
  // or fenced. UNAVAILABLE when no answer comes within the deadline.
  virtual Result<std::uint64_t> RequestShrink(std::uint64_t step, const std::vector<int>& survivors) = 0;
  // Reports that a write failed and that the work goes on without it. An empty message says that writing works again.
  // Sent only when it changes.
  virtual void ReportStorageTrouble(const std::string& message) = 0;
  // Reports how the stage ended, waits briefly for delivery and closes the link. Success is reported by rank 0 or by
  // the rank that commits the artifact; a failure by every rank that has one. Only the first call sends anything.
  virtual void ReportResult(const Status& status) = 0;
};

// At most one report of progress is sent in this time.
inline constexpr std::chrono::milliseconds kProgressInterval{100};

struct ControlLinkOptions {
  std::chrono::milliseconds progress_interval = kProgressInterval;
  std::chrono::milliseconds lease_resend_interval{500};
  std::chrono::milliseconds lease_deadline{60'000};  // for a request's answer
  std::chrono::milliseconds lease_pause{200};        // before the next request, when told to wait
  std::chrono::milliseconds shrink_resend_interval{250};
  std::chrono::milliseconds shrink_deadline{5'000};
  std::optional<RpcClientKeys> keys;  // none when the endpoint accepts anybody
  Clock* clock = &Clock::System();
};

// Connects to `endpoint` over ZeroMQ, under the identity "<generation>.<rank>.<pid>".
Result<std::unique_ptr<ControlLink>> ConnectControlLink(const std::string& endpoint, std::uint64_t generation, int rank,
                                                        const ControlLinkOptions& options = {});

}  // namespace still::worker
