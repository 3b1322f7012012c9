#include "worker/control/leased_artifact.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "common/log.h"
#include "common/progress.h"

namespace still::worker {
namespace {

// Longer than the link's own interval, so that the link drops no report of ours.
constexpr std::chrono::milliseconds kRenewalInterval = 2 * kProgressInterval;

// Renews the lease in hand while the thread of the stage makes the shard. A thread of its own looks at the signs of
// progress and reports them, so that nothing that marks progress sends messages. The link belongs to that thread as
// long as the renewal exists.
class LeaseRenewal {
 public:
  // `marks` are those of the stage's thread. When they are null, only what is recorded is progress.
  LeaseRenewal(ControlLink& control, const ProgressMarks* marks, const v1::Progress& progress)
      : control_(control),
        marks_(marks),
        signs_(Signs()),
        progress_(progress),
        thread_([this](const std::stop_token& stop) { Run(stop); }) {}

  // Sets what the reports say from now on. Any thread may call it.
  void Record(const v1::Progress& progress) {
    const std::lock_guard lock(mutex_);
    progress_ = progress;
    recorded_ = true;
  }

 private:
  std::uint64_t Signs() const { return marks_ == nullptr ? 0 : marks_->count.load(std::memory_order_relaxed); }

  // The link may drop the report at the end, because it comes early. The message that ends the shard says the same.
  void Run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    do {
      wake_.wait_for(lock, stop, kRenewalInterval, [] { return false; });
      const std::uint64_t before = std::exchange(signs_, Signs());
      if (!std::exchange(recorded_, false) && signs_ == before) continue;
      const v1::Progress progress = progress_;
      lock.unlock();  // the link may log, and the stage must not wait for that
      control_.ReportProgress(progress);
      lock.lock();
    } while (!stop.stop_requested());
  }

  ControlLink& control_;
  const ProgressMarks* const marks_;
  std::uint64_t signs_;  // as last seen

  std::mutex mutex_;  // guards the fields that follow
  std::condition_variable_any wake_;
  v1::Progress progress_;
  bool recorded_ = false;  // since the last report
  std::jthread thread_;    // declared last, so that it ends before the rest is destroyed
};

class LeasedWork {
 public:
  LeasedWork(const std::string& stage, LeasedArtifact& artifact, ControlLink& control, ProgressWriter& words,
             const Clock& clock)
      : stage_(stage), artifact_(artifact), control_(control), words_(words), clock_(clock) {
    progress_.set_total(artifact.TotalUnits());
    progress_.set_unit(artifact.Unit());
  }

  Status Run() {
    control_.ReportProgress(progress_);
    while (true) {
      words_.Enter(v1::PHASE_WAIT);
      STILL_ASSIGN_OR_RETURN(const v1::LeaseGrant lease, control_.NextShard());
      if (lease.answer() == v1::LEASE_ANSWER_DONE) return Ok();
      if (lease.answer() == v1::LEASE_ANSWER_COMMIT) return Commit(lease.tokens());
      STILL_RETURN_IF_ERROR(Do({.round = lease.round(), .shard = lease.shard()}));
    }
  }

 private:
  Status Do(ShardId id) {
    words_.Enter(artifact_.PhaseOf(id));
    const std::uint64_t tokens_before = progress_.tokens();
    v1::ShardDone done;
    done.set_round(id.round);
    done.set_shard(id.shard);
    STILL_ASSIGN_OR_RETURN(const std::uint64_t units, artifact_.UnitsOf(id));
    done.set_units(units);
    Result<std::string> digest = artifact_.MadeDigest(id);
    done.set_found(digest.ok());
    if (digest.status().code() == Code::kNotFound) digest = Make(id, done.mutable_digest());
    if (digest.status().code() == Code::kDataLoss && !done.digest().empty()) {
      // It is not known yet whose result is wrong. This tells the coordinator, which may know the other rank.
      STILL_RETURN_IF_ERROR(artifact_.Quarantine(id));
      STILL_RETURN_IF_ERROR(control_.ShardDone(done));
    }
    if (digest.status().code() == Code::kAlreadyExists) {  // another rank's copy was quicker
      if (done.digest().empty()) return Ok();
      return control_.ShardDone(done);
    }
    STILL_RETURN_IF_ERROR(digest.status());
    done.set_digest(*digest);
    done.set_tokens(progress_.tokens() - tokens_before);
    STILL_ASSIGN_OR_RETURN(const std::uint32_t next_shards, artifact_.NextShards(id));
    done.set_next_shards(next_shards);
    return control_.ShardDone(done);
  }

  Result<std::string> Make(ShardId id, std::string* computed) {
    const v1::Progress before = progress_;
    progress_.set_done(0);
    LeaseRenewal renewal(control_, words_.marks(), progress_);
    return artifact_.Make(
        id,
        [&](const ShardProgress& made) {
          progress_.set_done(made.units);
          progress_.set_tokens(before.tokens() + made.tokens);
          for (const auto& [name, value] : made.values) {
            const auto known = before.values().find(name);
            (*progress_.mutable_values())[name] = value + (known == before.values().end() ? 0 : known->second);
          }
          renewal.Record(progress_);
          MarkProgress();
        },
        computed);
  }

  Status Commit(std::uint64_t tokens) {
    words_.Enter(v1::PHASE_COMMIT);
    WorkMeasures measures{.seconds = SecondsSince(clock_, start_)};
    measures.tokens_per_second = static_cast<double>(tokens) / measures.seconds;
    LogInfo("{}: {} tokens in {:.1f} s, {:.0f} tokens/s", stage_, tokens, measures.seconds, measures.tokens_per_second);
    {
      progress_.set_done(0);  // counts within the commit
      const LeaseRenewal renewal(control_, words_.marks(), progress_);
      STILL_RETURN_IF_ERROR(artifact_.Commit(measures));
    }
    control_.ReportResult(Ok());
    return Ok();
  }

  const std::string& stage_;
  LeasedArtifact& artifact_;
  ControlLink& control_;
  ProgressWriter& words_;
  const Clock& clock_;
  const Clock::TimePoint start_ = clock_.Now();
  v1::Progress progress_;  // `done` counts within the shard in hand, the rest over all that this rank made
};

}  // namespace

Status RunLeasedWork(const std::string& stage, LeasedArtifact& artifact, ControlLink& control, ProgressWriter& words,
                     const Clock& clock) {
  return LeasedWork(stage, artifact, control, words, clock).Run();
}

}  // namespace still::worker
