// Says which states a job may move between, and what each state means for slots and processes. Pure.
//
// The table in transitions.cc is the only list of moves. Transaction::Move (transaction.h) checks every move of every
// job against it.
#pragma once

#include <span>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// Returns the states that a job in state `from` may move to. JOB_STATE_UNSPECIFIED stands for a job that is not
// submitted yet. A state may contain itself: the job stays in it and gets a new cause.
std::span<const v1::JobState> MovesFrom(v1::JobState from);

// Returns whether a job may move from `from` to `to`.
bool MayMove(v1::JobState from, v1::JobState to);

// Returns whether the job has ended: SUCCEEDED, FAILED, CANCELLED or TIMEOUT.
bool IsTerminal(v1::JobState state);
// Returns whether the job waits for slots, or for something that comes before them: PENDING or RECOVERING.
bool IsWaiting(v1::JobState state);
// Returns whether the job has no slots and has not ended: HELD, PENDING or RECOVERING.
bool IsQueued(v1::JobState state);
// Returns whether the job has slots and may have processes: STARTING, RUNNING, PREEMPTING or COMPLETING.
bool HoldsSlots(v1::JobState state);

}  // namespace still::coordinator
