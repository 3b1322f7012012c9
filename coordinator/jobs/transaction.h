// The changes of one decision while it is being made.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "coordinator/jobs/state.h"

namespace still::coordinator {

// Collects changes on top of a State, and shows the state as they leave it. The State itself does not change: the
// caller takes the changes at the end, writes them to the journal, and applies them. A transaction that is dropped
// leaves nothing behind. For one thread. The State must outlive the transaction.
class Transaction {
 public:
  Transaction(const State& state, UnixMs now) : state_(state), now_(now), next_sequence_(state.next_sequence()) {}

  UnixMs now() const { return now_; }
  // Returns the job as changed so far. The job must exist.
  const v1::Job& job(std::uint64_t id) const;
  // Return a record to be changed in place, without a line in the history. The state of a job changes by Move() only.
  v1::Job& Edit(std::uint64_t id);
  v1::Host& EditHost(const std::string& name);
  // Add records that are not in the state, with the time of now. A job gets its first line in the history.
  void Add(v1::Job job, std::string_view actor);
  void Add(v1::Pipeline pipeline);
  // Removes a host.
  void Remove(const std::string& host);

  // Moves the job from state `from` to state `to`, with one line in the history, and returns the job. `from` is the
  // state that the caller decided by. Aborts when the job is in another state, or when the table of transitions.h does
  // not allow the move: callers answer requests and reports that do not fit before they get here.
  v1::Job& Move(std::uint64_t id, v1::JobState from, v1::JobState to, v1::Cause cause, std::string_view actor,
                std::string message = "");
  // Add a line to the history that is no transition: about a job, about the coordinator itself, or about a host.
  void Record(std::uint64_t job, v1::Cause cause, std::string_view actor, std::string message);
  void RecordCoordinator(std::string message);
  void RecordHost(const std::string& host, std::string_view actor, std::string message);
  // Adds recoveries to the newest line of the history. There must be one.
  void AttachRecoveries(std::span<const v1::Recovery> recoveries);

  // Returns all that was collected. The transaction is over.
  Changes TakeChanges() &&;

 private:
  v1::HistoryEvent& NewJobEvent(v1::Job& job, std::string_view actor, std::string message);
  v1::HistoryEvent& NewEvent(std::string_view actor, std::string message);

  const State& state_;
  const UnixMs now_;
  std::uint64_t next_sequence_;
  std::map<std::uint64_t, v1::Job> jobs_;
  std::map<std::string, v1::Host> hosts_;
  Changes changes_;
};

}  // namespace still::coordinator
