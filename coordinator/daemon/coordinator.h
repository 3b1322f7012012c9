// The core with everything it needs to act: journal, agents, clock, and what is known of running jobs. It takes
// messages, decides by the core, and answers once what was decided is on disk: all messages of one round are one
// synced write. Whoever drives it moves the bytes (daemon.h; pipeline_run.h).
//
// A full disk under the journal: nothing is granted or changed, what people ask is answered, agents are heard but their
// outcomes not acknowledged, so nothing is lost; it goes on by itself once there is space (DEGRADED_STORAGE). So it is
// when the journal can be neither written nor read.
//
// Safe to be killed at any instant: the next one continues from the journal, and adopts the agents that run. One
// thread.
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
  std::string endpoint;        // for the agents' tasks
  std::string fresh_identity;  // of the journal, should it have none yet; drawn at random
  std::string worker;          // path of still-worker
  std::string mpirun;
  std::string keys;                       // directory, absolute: what clients need to be let in; empty: nothing
  stillhouse::v1::HostAccess access;      // to hosts other than this machine
  std::int64_t agent_probe_interval_ms = 1000;   // how often an agent that is not heard is looked for
  std::int64_t silence_ms = 3000;         // without a report for so long, an agent is looked for
  std::int64_t disk_probe_interval_ms = 1000;  // of a disk that was full
  std::int64_t pass_interval_ms = 500;    // between two looks at the queue while nothing changes
  // Whether an artifact exists. Where that is unknown it is asked for again.
  ArtifactProber is_made;
  bool probe_in_threads =
      false;  // is_made, which always knows then, may take long or hang, and nobody is to wait for it
};

struct OutgoingMessage {
  std::string peer;
  std::string payload;
};

class Coordinator {
 public:
  // All references outlive it.
  Coordinator(CoordinatorOptions options, Journal& journal, Agents& agents, Clock& clock);

  // Reads the journal and takes the inventory. What ran is adopted. Call first. On a full disk it is Ok all the same:
  // the inventory of before holds until there is space.
  Status Open(const std::vector<stillhouse::v1::Host>& hosts);

  // A message of a client or an agent. Bytes that make no sense are dropped and counted.
  void OnMessage(const std::string& peer, std::string_view payload);
  // A client's request from within this process. What it changed is on disk when this returns.
  stillhouse::v1::ClientReply Ask(const stillhouse::v1::ClientRequest& request);
  // An agent's report from within this process.
  stillhouse::v1::AgentOrders OnReport(const stillhouse::v1::AgentReport& report);
  // Writes what was decided so far and returns the answers that are true then: before the queue is looked at, so that
  // nobody waits for that.
  std::vector<OutgoingMessage> Answers();
  // Lets time pass, writes what was decided, starts agents, and returns the answers that are true now. Call several
  // times a second.
  std::vector<OutgoingMessage> Tick();

  const State& state() const { return state_; }
  const LiveJobs& live() const { return live_; }
  UnixMs Now() const;
  std::string Metrics();

 private:
  void OnClientRequest(const std::string& peer, const stillhouse::v1::ClientRequest& request);
  void OnAgentReport(const std::string& peer, const stillhouse::v1::AgentReport& report);
  stillhouse::v1::ClientReply Answer(const stillhouse::v1::ClientRequest& request);
  Result<stillhouse::v1::ClientReply> Submit(const stillhouse::v1::Submit& submit, const std::string& user);
  Result<stillhouse::v1::ClientReply> ChangeJobs(const stillhouse::v1::ChangeJobs& change, const std::string& user);
  Result<stillhouse::v1::ClientReply> ChangeHost(const stillhouse::v1::ChangeHost& change, const std::string& user);
  Result<stillhouse::v1::ClientReply> Attach(const stillhouse::v1::Attach& attach);
  Result<stillhouse::v1::ClientReply> View(const stillhouse::v1::Query& query);
  void Apply(Changes changes);
  void Adopt();
  void Advance();
  // Not Ok: what was decided in this round never happened, and nobody is told of it.
  Status Write();
  bool Degraded();
  void ProbeSilentAgents();
  void Recover(const stillhouse::v1::Job& job);
  // That the job's attempt reported.
  std::uint64_t LastStep(const stillhouse::v1::Job& job) const;
  void StartAgents();
  Result<stillhouse::v1::AgentTask> TaskOf(const stillhouse::v1::Job& job) const;
  const std::map<std::uint64_t, Wait>& Waits();
  ArtifactProbe ProbeArtifact(const stillhouse::v1::JobSpec& spec);

  const CoordinatorOptions options_;
  const JobDecisions decisions_;
  Journal& journal_;
  Agents& agents_;
  Clock& clock_;
  const UnixMs started_ms_;
  const Clock::TimePoint started_;

  std::string identity_;  // of the journal
  std::vector<stillhouse::v1::Host> inventory_;
  bool adopted_ = false;  // the inventory, and a line that says that this process started, are in the journal
  RecordedState recorded_;
  const State& state_;  // recorded_'s
  LiveJobs live_;
  std::optional<ArtifactLookups> lookups_;
  std::map<std::uint64_t, stillhouse::v1::WorkerTask> attach_tasks_;  // of attached jobs, for the ranks that ask
  std::vector<OutgoingMessage> answers_;                              // true once what was decided is written
  std::map<std::uint64_t, std::uint64_t> started_agents_;             // attempt by job, by this process
  RepeatedRequests repeats_;
  std::optional<std::map<std::uint64_t, Wait>> waits_;  // of this round
  bool changed_ = true;                                 // since the last look at the queue
  std::optional<Clock::TimePoint> advanced_;            // that look
  std::optional<Clock::TimePoint> agents_probed_;
  std::uint64_t dropped_ = 0;
};

}  // namespace still::coordinator
