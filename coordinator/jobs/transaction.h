// A decision in the making: a state seen through the changes that were made to it so far. Leaves the state alone; what
// it collected is taken at the end. One thread, lives no longer than the state.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "coordinator/jobs/state.h"

namespace still::coordinator {

class Transaction {
 public:
  Transaction(const State& state, UnixMs now) : state_(state), now_(now), next_sequence_(state.next_sequence()) {}

  UnixMs now() const { return now_; }
  // As changed so far. The job exists.
  const stillhouse::v1::Job& job(std::uint64_t id) const;
  // Without a line in the history: what is not a transition.
  stillhouse::v1::Job& Edit(std::uint64_t id);
  stillhouse::v1::Host& EditHost(const std::string& name);
  // A record that is not in the state.
  void Add(stillhouse::v1::Job job, std::string_view actor);
  void Add(stillhouse::v1::Pipeline pipeline);
  void Remove(const std::string& host);

  // One compare-and-set and its line in the history. To a terminal state: the job's end.
  stillhouse::v1::Job& Move(std::uint64_t id, stillhouse::v1::JobState to, stillhouse::v1::Cause cause,
                            std::string_view actor, std::string message = "");
  // A line in the history that is no transition of a job's state.
  void Record(std::uint64_t job, stillhouse::v1::Cause cause, std::string_view actor, std::string message);
  void RecordCoordinator(std::string message);
  void RecordHost(const std::string& host, std::string_view actor, std::string message);

  Changes TakeChanges() &&;

 private:
  stillhouse::v1::HistoryEvent& NewJobEvent(stillhouse::v1::Job& job, std::string_view actor, std::string message);
  stillhouse::v1::HistoryEvent& NewEvent(std::string_view actor, std::string message);

  const State& state_;
  const UnixMs now_;
  std::uint64_t next_sequence_;
  std::map<std::uint64_t, stillhouse::v1::Job> jobs_;
  std::map<std::string, stillhouse::v1::Host> hosts_;
  Changes changes_;
};

}  // namespace still::coordinator
