// A worker's line to the coordinator: progress out, shard leases in. Plain types, so that code with tensors never sees
// a protobuf header. Losing the coordinator is not a failure of the work: progress is then dropped with one warning,
// and only NextShard, which cannot go on alone, returns UNAVAILABLE after its deadline. Owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/rpc/rpc.h"
#include "common/stage_progress.h"
#include "common/status.h"
#include "common/storage/checkpoint.h"

namespace still::worker {

// One rank's share of a checkpoint (control.proto, PartsWritten).
struct WrittenParts {
  CheckpointInfo info;
  std::vector<CheckpointPart> parts;
  std::uint32_t total_parts = 0;
  std::uint32_t ranks = 0;
  std::string state_digest;
};

// What a rank of divisible work is to do next (control.proto, LeaseGrant).
struct ShardLease {
  enum class Kind {
    kShard,   // compute `shard`
    kCommit,  // put the artifact together, which all ranks computed `tokens` for, and report the result
    kDone,    // nothing is left to do
  };
  Kind kind = Kind::kDone;
  std::uint32_t round = 0;
  std::uint32_t shard = 0;
  std::uint64_t tokens = 0;
};

// Of a leased shard.
struct FinishedShard {
  std::uint32_t round = 0;
  std::uint32_t shard = 0;
  std::string digest;
  bool found = false;             // it was there already
  std::uint64_t units = 0;        // of progress
  std::uint64_t tokens = 0;       // computed
  std::uint32_t next_shards = 0;  // of the next round, where this shard decides that
};

class ControlLink {
 public:
  virtual ~ControlLink() = default;
  // Never blocks; within a lease every call is a sign of progress, which renews it. At most one report a
  // `progress_interval` is sent, the others are dropped; the first with done == total goes.
  virtual void ReportProgress(const StageProgress& progress) = 0;
  // What to do next. Waits, for ever if it must, while others hold all that is left: one of them may die. Gives up the
  // shard in hand, which ReportProgress and ShardDone speak of. ABORTED when this generation is over.
  virtual Result<ShardLease> NextShard() = 0;
  virtual Status ShardDone(const FinishedShard& finished) = 0;
  // Takes in what the coordinator said meanwhile, without waiting. ABORTED when this rank is fenced: nothing of it will
  // be accepted any more.
  virtual Status Poll() = 0;
  // This rank's share of a checkpoint is durable.
  virtual Status PartsWritten(const WrittenParts& written) = 0;
  // Newest step whose checkpoint the coordinator said was published, as of the last Poll; nothing yet: nullopt.
  virtual std::optional<std::uint64_t> PublishedStep() const = 0;
  // The generation to go on as, with these `survivors` (ranks at launch). ABORTED when refused or fenced, UNAVAILABLE
  // when nobody answers within the deadline.
  virtual Result<std::uint64_t> RequestShrink(std::uint64_t step, const std::vector<int>& survivors) = 0;
  // A write failed and the work goes on without it; an empty message: it is over. Sent when it changes.
  virtual void ReportStorageTrouble(const std::string& message) = 0;
  // When the stage ends: success by rank 0 or by who put the artifact together, a failure by every rank that has one.
  // Only the first one is said. Waits briefly for delivery and closes the link.
  virtual void ReportResult(const Status& status) = 0;
};

struct ControlLinkOptions {
  std::chrono::milliseconds progress_interval{100};
  std::chrono::milliseconds lease_resend_interval{500};
  std::chrono::milliseconds lease_deadline{60'000};  // without an answer
  std::chrono::milliseconds lease_pause{200};        // before asking again, when told to wait
  std::chrono::milliseconds shrink_resend_interval{250};
  std::chrono::milliseconds shrink_deadline{5'000};
  std::optional<RpcClientKeys> keys;  // none: the endpoint takes anybody
  Clock* clock = &Clock::System();
};

// Over ZeroMQ to `endpoint`, under the identity "<generation>.<rank>.<pid>".
Result<std::unique_ptr<ControlLink>> ConnectControlLink(const std::string& endpoint, std::uint64_t generation, int rank,
                                                        const ControlLinkOptions& options = {});

}  // namespace still::worker
