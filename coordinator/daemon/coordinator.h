// The coordinator without its sockets. daemon.h drives it for `still serve`, pipeline_run.h for `still run`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/daemon/agents.h"
#include "coordinator/daemon/artifact_lookups.h"
#include "coordinator/daemon/journal.h"
#include "coordinator/daemon/recorded_state.h"
#include "coordinator/daemon/repeated_requests.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/views/live_jobs.h"

namespace still::coordinator {

struct CoordinatorOptions {
  DecisionOptions decisions;
  std::string endpoint;            // goes into the agents' tasks
  std::string fresh_identity;      // drawn at random; becomes the identity of a journal that has none
  std::string worker;              // path of still-worker
  std::string mpirun;              // path of mpirun
  std::string keys;                // absolute path of the keys that clients need; empty when they need none
  v1::HostAccess access;           // how agents reach hosts other than this machine
  std::int64_t silence_ms = 3000;  // an agent without a report for this long is probed
  std::int64_t agent_probe_interval_ms = 1000;  // time between two probes of silent agents
  std::int64_t disk_probe_interval_ms = 1000;   // time between two probes of a disk that took no writes
  std::int64_t pass_interval_ms = 500;          // time between two scheduling passes while nothing changes
  // Returns whether an artifact exists. An unknown answer is asked for again.
  ArtifactProber is_made;
  // Calls `is_made` on threads of its own, because it may hang. It must then always know the answer.
  bool probe_in_threads = false;
};

struct OutgoingMessage {
  std::string peer;
  std::string payload;
};

// Coordinator handles messages, decides, and starts agents. It answers only once what it decided is on disk. All
// messages of one round share one synced write.
//
// While the journal cannot be written, the coordinator grants and changes nothing (DEGRADED_STORAGE). It answers
// queries and handles reports, but acknowledges no outcome, so nothing is lost. It recovers by itself once the disk
// takes writes and the journal can be read.
//
// A kill at any instant is safe: the next coordinator continues from the journal and adopts the running agents. One
// thread uses the object.
class Coordinator {
 public:
  // `journal`, `agents` and `clock` must outlive this object.
  Coordinator(CoordinatorOptions options, Journal& journal, Agents& agents, Clock& clock);

  // Reads the journal, records `hosts` as the inventory and adopts the running jobs. Call first. Returns Ok on a full
  // disk as well: the recorded inventory then holds until there is space.
  Status Open(const std::vector<v1::Host>& hosts);

  // Handles a message of a client or an agent. Drops bytes that are no such message.
  void OnMessage(const std::string& peer, std::string_view payload);
  // Handles a client's request from within this process. Its changes are on disk when this returns.
  v1::ClientReply Ask(const v1::ClientRequest& request);
  // Handles an agent's report and returns the orders for the agent. The report is on disk after the next
  // Answers() or Tick().
  v1::AgentOrders OnReport(const v1::AgentReport& report);
  // Writes what was decided so far and returns the answers. Runs no scheduling pass, so that no client waits for one.
  std::vector<OutgoingMessage> Answers();
  // Probes silent agents, runs a scheduling pass when one is due, writes what was decided, starts agents and returns
  // the answers. Call several times per second.
  std::vector<OutgoingMessage> Tick();

  const State& state() const { return state_; }
  const LiveJobs& live() const { return live_; }
  // Returns the wall clock's time at the start plus the time since. Later steps of the wall clock do not show.
  UnixMs Now() const;
  // Returns the metrics in the Prometheus text format.
  std::string Metrics();

 private:
  void OnClientRequest(const std::string& peer, const v1::ClientRequest& request);
  v1::ClientReply Answer(const v1::ClientRequest& request);
  Result<v1::ClientReply> ChangeHost(const v1::ChangeHost& change, const std::string& user);
  Result<v1::ClientReply> Attach(const v1::Attach& attach);
  Result<v1::ClientReply> View(const v1::Query& query);
  void Apply(Changes changes);
  // Applies what a request of a client changes, and returns the reply.
  Result<v1::ClientReply> CarryOut(Result<ChangeOutcome> outcome);
  // Records the inventory and the restart.
  void Adopt();
  // Runs a scheduling pass when something changed or the last pass is too long ago.
  void Advance();
  // Writes this round's decisions. After a failure they never happened, and their answers are dropped.
  Status Write();
  // Returns whether the journal takes no writes, after a probe when one is due.
  bool Degraded();
  void ProbeSilentAgents();
  // Ends the job's attempt when its agent is known to be gone. Uses the outcome that the agent left.
  void Recover(const v1::Job& job);
  // Returns the last step that the job's attempt reported, or 0.
  std::uint64_t LastStep(const v1::Job& job) const;
  // Starts an agent for each STARTING job without one, also when an earlier coordinator recorded the start.
  void StartAgents();
  Result<v1::AgentTask> TaskOf(const v1::Job& job) const;
  const std::map<std::uint64_t, Wait>& Waits();
  ArtifactProbe ProbeArtifact(const v1::JobSpec& spec);

  const CoordinatorOptions options_;
  const JobDecisions decisions_;
  Journal& journal_;
  Agents& agents_;
  Clock& clock_;
  const UnixMs started_ms_;
  const Clock::TimePoint started_;

  std::string identity_;  // the journal's
  std::vector<v1::Host> inventory_;
  bool adopted_ = false;  // the inventory and the restart are in the journal
  RecordedState recorded_;
  const State& state_;  // the state in recorded_
  LiveJobs live_;
  std::optional<ArtifactLookups> lookups_;
  std::map<std::uint64_t, v1::WorkerTask> attach_tasks_;   // by attached job, for its ranks
  std::vector<OutgoingMessage> answers_;                   // sent once the decisions are on disk
  std::map<std::uint64_t, std::uint64_t> started_agents_;  // by job: the attempt that this process started
  RepeatedRequests repeats_;
  std::optional<std::map<std::uint64_t, Wait>> waits_;  // computed at most once per round
  bool changed_ = true;                                 // since the last scheduling pass
  std::optional<Clock::TimePoint> advanced_;            // when that pass ran
  std::optional<Clock::TimePoint> agents_probed_;
  std::uint64_t dropped_ = 0;
};

}  // namespace still::coordinator
