#include "coordinator/jobs/transitions.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

namespace still::coordinator {
namespace {

constexpr std::size_t kStates = v1::JobState_ARRAYSIZE;

// The states that one state leads to.
class Moves {
 public:
  constexpr Moves() = default;
  constexpr Moves(std::initializer_list<v1::JobState> to) {
    for (const v1::JobState state : to) to_[count_++] = state;
  }
  constexpr std::span<const v1::JobState> to() const { return {to_.data(), count_}; }

 private:
  std::array<v1::JobState, kStates> to_{};
  std::size_t count_ = 0;
};

constexpr std::array<Moves, kStates> MakeTable() {
  using namespace v1;  // NOLINT(google-build-using-namespace): a table of its words
  std::array<Moves, kStates> table;
  // A submission makes a job, which a person may ask to be held from the start (submissions.cc).
  table[JOB_STATE_UNSPECIFIED] = {JOB_HELD, JOB_PENDING};
  // A person releases the job or cancels it (job_changes.cc).
  table[JOB_HELD] = {JOB_PENDING, JOB_CANCELLED};
  // The scheduler starts the job, or an mpirun that a person typed takes it (starts.cc). Its artifact turns out to
  // exist, or a job that it needs ends without success (dependencies.cc). A person holds it, cancels it, or requeues
  // it, which forgets its failures.
  table[JOB_PENDING] = {JOB_STARTING, JOB_SUCCEEDED, JOB_CANCELLED, JOB_HELD, JOB_PENDING};
  // The agent reports ranks. Or the attempt ends before that: it succeeds, fails, is ended by somebody else, or dies
  // and is tried again (agent_reports.cc, retry_after_death.cc). Or its end is asked for: by the scheduler for another
  // job (advance.cc), by a person, or by its time limit (time_limits.cc).
  table[JOB_STARTING] = {JOB_RUNNING,    JOB_SUCCEEDED,  JOB_FAILED,     JOB_CANCELLED,
                         JOB_RECOVERING, JOB_PREEMPTING, JOB_COMPLETING, JOB_PENDING};
  // As from STARTING. And the agent launches the ranks again after a death that ended all of them.
  table[JOB_RUNNING] = {JOB_STARTING,   JOB_SUCCEEDED,  JOB_FAILED,     JOB_CANCELLED,
                        JOB_RECOVERING, JOB_PREEMPTING, JOB_COMPLETING, JOB_PENDING};
  // As from PENDING.
  table[JOB_RECOVERING] = {JOB_STARTING, JOB_SUCCEEDED, JOB_CANCELLED, JOB_HELD, JOB_PENDING};
  // The processes are gone, and the job waits again. Or it succeeds or fails before that, or a person asks for its end.
  table[JOB_PREEMPTING] = {JOB_PENDING, JOB_SUCCEEDED, JOB_FAILED, JOB_COMPLETING};
  // The processes are gone, and the job becomes what was asked for (`after`). Or it succeeds or fails before that. A
  // person may change what is asked for.
  table[JOB_COMPLETING] = {JOB_CANCELLED, JOB_HELD,   JOB_PENDING,   JOB_TIMEOUT,
                           JOB_SUCCEEDED, JOB_FAILED, JOB_COMPLETING};
  // The artifact exists: the job is over for good.
  table[JOB_SUCCEEDED] = {};
  // A person may requeue a job that ended without success.
  table[JOB_FAILED] = {JOB_PENDING};
  table[JOB_CANCELLED] = {JOB_PENDING};
  table[JOB_TIMEOUT] = {JOB_PENDING};
  return table;
}

constexpr std::array<Moves, kStates> kTable = MakeTable();

}  // namespace

std::span<const v1::JobState> MovesFrom(v1::JobState from) {
  return v1::JobState_IsValid(from) ? kTable[static_cast<std::size_t>(from)].to() : std::span<const v1::JobState>();
}

bool MayMove(v1::JobState from, v1::JobState to) {
  return std::ranges::find(MovesFrom(from), to) != MovesFrom(from).end();
}

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_SUCCEEDED || state == v1::JOB_FAILED || state == v1::JOB_CANCELLED ||
         state == v1::JOB_TIMEOUT;
}

bool IsWaiting(v1::JobState state) { return state == v1::JOB_PENDING || state == v1::JOB_RECOVERING; }

bool IsQueued(v1::JobState state) { return !HoldsSlots(state) && !IsTerminal(state); }

bool HoldsSlots(v1::JobState state) {
  return state == v1::JOB_STARTING || state == v1::JOB_RUNNING || state == v1::JOB_PREEMPTING ||
         state == v1::JOB_COMPLETING;
}

}  // namespace still::coordinator
