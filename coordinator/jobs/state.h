// The records of the coordinator: what its journal holds, indexed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/unix_time.h"
#include "coordinator/jobs/transitions.h"

namespace still::coordinator {

// Returns how many ranks the job's attempt has. Before and between attempts it is the number that was asked for.
std::uint32_t RanksOf(const v1::Job& job);

// The artifact that a job makes: root, stage, digest. Two jobs never make the same artifact at the same time.
using ArtifactKey = std::tuple<std::string_view, v1::Stage, std::string_view>;
// Returns the key of the artifact, as views into `job`.
ArtifactKey ArtifactOf(const v1::Job& job);

// Clears the fields of the specification that only the job's agent needs. They are large, and stay on disk.
void ClearAgentFields(v1::Job* job);

// Records that change together: either all of them are in the journal, or none is. A record replaces the one with the
// same key.
struct Changes {
  std::vector<v1::Job> jobs;
  // The whole specifications of new jobs, by id. They are written to disk and are not part of the State.
  std::map<std::uint64_t, v1::JobSpec> specs;
  std::vector<v1::Pipeline> pipelines;
  std::vector<v1::Host> hosts;
  std::vector<std::string> removed_hosts;
  std::vector<v1::HistoryEvent> events;

  bool empty() const {
    return jobs.empty() && pipelines.empty() && hosts.empty() && removed_hosts.empty() && events.empty();
  }
};

// Each record as it was before the first change of it, or nothing if there was none.
struct UndoLog {
  struct Numbers {
    std::uint64_t job = 1;
    std::uint64_t pipeline = 1;
    std::uint64_t sequence = 1;
  };

  std::map<std::uint64_t, std::optional<v1::Job>> jobs;
  std::map<std::uint64_t, std::optional<v1::Pipeline>> pipelines;
  std::map<std::string, std::optional<v1::Host>> hosts;
  std::optional<Numbers> next;
};

// All records and their indices. A value without a lock: one thread at a time.
class State {
 public:
  const std::map<std::uint64_t, v1::Job>& jobs() const { return jobs_; }
  const std::map<std::uint64_t, v1::Pipeline>& pipelines() const { return pipelines_; }
  const std::map<std::string, v1::Host>& hosts() const { return hosts_; }
  // Returns the ids of jobs that have not ended, in rising order.
  const std::set<std::uint64_t>& live() const { return live_; }
  // Return null when there is no such record. A request is the key of a submission.
  const v1::Job* FindJob(std::uint64_t id) const;
  const v1::Pipeline* FindRequest(const std::string& request) const;
  // Return the numbers that the next new record gets.
  std::uint64_t next_job() const { return next_.job; }
  std::uint64_t next_pipeline() const { return next_.pipeline; }
  std::uint64_t next_sequence() const { return next_.sequence; }

  void Apply(const Changes& changes);
  // Adds to `undo_log` what `changes` will replace. Call it before each Apply that may have to be undone.
  void Save(const Changes& changes, UndoLog* undo_log) const;
  // Rolls back to the state before the first Save() with this log.
  void Rollback(const UndoLog& undo_log);

 private:
  void Index(const v1::Job& job);

  std::map<std::uint64_t, v1::Job> jobs_;
  std::map<std::uint64_t, v1::Pipeline> pipelines_;
  std::map<std::string, v1::Host> hosts_;
  std::set<std::uint64_t> live_;
  std::map<std::string, std::uint64_t> by_request_;
  UndoLog::Numbers next_;
};

// Returns how many slots the attempts of jobs hold on each host. Attached jobs hold none.
std::map<std::string, std::uint64_t> UsedSlots(const State& state);

}  // namespace still::coordinator
