// What the coordinator knows and must never forget: the records of its journal, indexed. A value; one thread.
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

namespace still::coordinator {

bool IsTerminal(stillhouse::v1::JobState state);
// For slots, or for what must come before: PENDING, RECOVERING.
bool IsWaiting(stillhouse::v1::JobState state);
// Has slots: STARTING, RUNNING, PREEMPTING, COMPLETING.
bool HoldsSlots(stillhouse::v1::JobState state);

// Ranks of its attempt: as its mpirun, typed by hand, or its slots have them. As asked for while it has none.
std::uint32_t RanksOf(const stillhouse::v1::Job& job);

// What a job makes: root, kind, digest. Views into the job. Two jobs never make one artifact at once.
using ArtifactKey = std::tuple<std::string_view, std::string_view, std::string_view>;
ArtifactKey ArtifactOf(const stillhouse::v1::Job& job);

// Clears what only the job's agent needs of its specification.
void LeaveToAgents(stillhouse::v1::Job* job);

// What changes together: all of it is in the journal before any of it is announced. Records replace those of the same
// key.
struct Changes {
  std::vector<stillhouse::v1::Job> jobs;
  // Of new jobs, whole, by id: what only their agents need is on disk alone and not in the state.
  std::map<std::uint64_t, stillhouse::v1::JobSpec> specs;
  std::vector<stillhouse::v1::Pipeline> pipelines;
  std::vector<stillhouse::v1::Host> hosts;
  std::vector<std::string> removed_hosts;
  std::vector<stillhouse::v1::HistoryEvent> events;

  bool empty() const {
    return jobs.empty() && pipelines.empty() && hosts.empty() && removed_hosts.empty() && events.empty();
  }
};

// What changes replaced, as it was before the first of them; nothing where there was nothing.
struct UndoLog {
  struct Numbers {
    std::uint64_t job = 1;
    std::uint64_t pipeline = 1;
    std::uint64_t sequence = 1;
  };

  std::map<std::uint64_t, std::optional<stillhouse::v1::Job>> jobs;
  std::map<std::uint64_t, std::optional<stillhouse::v1::Pipeline>> pipelines;
  std::map<std::string, std::optional<stillhouse::v1::Host>> hosts;
  std::optional<Numbers> next;
};

class State {
 public:
  const std::map<std::uint64_t, stillhouse::v1::Job>& jobs() const { return jobs_; }
  const std::map<std::uint64_t, stillhouse::v1::Pipeline>& pipelines() const { return pipelines_; }
  const std::map<std::string, stillhouse::v1::Host>& hosts() const { return hosts_; }
  // Jobs that have not ended, in id order.
  const std::set<std::uint64_t>& live() const { return live_; }
  // Null when there is none.
  const stillhouse::v1::Job* FindJob(std::uint64_t id) const;
  const stillhouse::v1::Pipeline* FindRequest(const std::string& request) const;
  std::uint64_t next_job() const { return next_.job; }
  std::uint64_t next_pipeline() const { return next_.pipeline; }
  std::uint64_t next_sequence() const { return next_.sequence; }

  void Apply(const Changes& changes);
  // Adds what they will replace to `undo_log`. Before each Apply that is to be taken back.
  void Save(const Changes& changes, UndoLog* undo_log) const;
  // As if what was applied since had never been.
  void Rollback(UndoLog undo_log);

 private:
  void Index(const stillhouse::v1::Job& job);

  std::map<std::uint64_t, stillhouse::v1::Job> jobs_;
  std::map<std::uint64_t, stillhouse::v1::Pipeline> pipelines_;
  std::map<std::string, stillhouse::v1::Host> hosts_;
  std::set<std::uint64_t> live_;
  std::map<std::string, std::uint64_t> by_request_;
  UndoLog::Numbers next_;
};

}  // namespace still::coordinator
