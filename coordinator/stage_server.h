// The coordinator's side of one launch: one thread that answers the workers of one generation, hands out shards, passes
// progress on, watches mpirun, and says how the stage ended.
//
// How it ended, by rank: the first failure any rank reported; else success if rank 0 reported it; else, mpirun being
// gone, UNAVAILABLE. mpirun's exit code is never trusted: it means little after a failure, and MPI_Finalize may hang,
// so once a result is in, mpirun gets `drain` to end by itself and is then killed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/rpc.h"
#include "common/status.h"
#include "coordinator/lease_table.h"

namespace stillhouse::v1 {
class Envelope;
}

namespace still::coordinator {

struct StageProgress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string unit;
  std::uint64_t tokens = 0;
  std::map<std::string, double> values;
};

struct StageServerOptions {
  std::string stage;             // name, in messages
  std::uint64_t generation = 1;  // messages of an older one are answered with Fenced
  std::uint32_t shards = 0;      // to lease; 0: this stage leases none
  std::string log_path;          // of the launch, named in errors
  std::function<void(const StageProgress&)> on_progress = [](const StageProgress&) {};
  std::chrono::milliseconds tick{100};  // longest wait between two looks at mpirun
  std::chrono::milliseconds drain{10'000};
  std::chrono::milliseconds last_words{1000};  // for what dead ranks said to arrive
};

class StageServer {
 public:
  // Binds a free port on the loopback interface.
  static Result<std::unique_ptr<StageServer>> Bind(StageServerOptions options, const Clock& clock);

  // For WorkerTask.endpoint.
  const std::string& endpoint() const { return rpc_->endpoint(); }
  const LeaseTable& leases() const { return leases_; }

  // Serves until `job` has ended, then returns the outcome. When `stop` becomes true the job is asked to terminate and
  // the outcome is CANCELLED, unless the stage ended first. Call once.
  Status Run(cluster::LaunchedJob& job, const std::atomic<bool>& stop);

 private:
  StageServer(StageServerOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc)
      : options_(std::move(options)), clock_(clock), rpc_(std::move(rpc)), leases_(options_.shards) {}

  // Handles one message, waiting up to `wait` for it; false when none came.
  Result<bool> ServeOne(std::chrono::milliseconds wait);
  // Handles what is left once mpirun has ended.
  Status ServeLastWords();
  Status Dispatch(const RpcMessage& message);
  Status GrantShard(const std::string& peer, std::uint64_t request);
  void NoteProgress(const stillhouse::v1::Envelope& envelope);
  void NoteResult(const stillhouse::v1::Envelope& envelope);
  void NoteFailure(Status failure);
  Status Reply(const std::string& peer, stillhouse::v1::Envelope* envelope);
  bool Ending() const { return succeeded_ || failure_.has_value(); }
  Status Outcome(const cluster::ExitInfo& exit) const;

  StageServerOptions options_;
  const Clock& clock_;
  std::unique_ptr<RpcServer> rpc_;
  LeaseTable leases_;
  std::map<std::uint32_t, StageProgress> progress_;  // latest of each rank
  bool succeeded_ = false;
  std::optional<Status> failure_;
  std::uint64_t log_begin_ = 0;  // the log's size before the launch: what stands above is of earlier ones
};

}  // namespace still::coordinator
