// Decides which jobs start next and on which hosts, which ones are preempted, and why the others wait. Pure: a function
// of its input alone.
//
// The queue is ordered by effective priority (priority plus what waiting adds), then by submission. All jobs age at the
// same pace, so the order of two jobs never changes with time. Gangs are admitted whole.
//
// A job that does not fit gets a reservation, in queue order: the earliest time that the expected ends of running jobs
// allow. A lower job starts only where it delays no reservation above it (conservative backfill), so its start changes
// no reserved start. Jobs beyond the first `reservations` get none, and start only if they delay nobody who has one.
// Once everything is decided, `predictions` further jobs get a predicted start all the same. No slots are kept for it,
// so it may slip.
//
// A job with a reservation preempts others when that lets it start as soon as they are gone, and delays no reservation
// above it. The victims are preemptible, `preemption_gap` below it in their own priority, and behind it in the queue
// order: otherwise they would be back before it started. Few are chosen, and every one of them is needed: without its
// slots the gang would not fit (ChooseVictims, preemption.h). There are no victims when the job would not fit even
// then, or when jobs that already leave make enough room.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/enum_words.h"
#include "common/unix_time.h"

namespace still::coordinator {

struct SchedulerOptions {
  std::int64_t ageing_ms_per_point = 3'600'000;   // waiting this long is worth one point of priority; 0: no ageing
  std::int64_t default_duration_ms = 86'400'000;  // expected of a job without a time limit
  std::uint32_t reservations = 16;  // more of them let wide gangs wait less, and narrow ones more: docs/performance.md
  std::uint32_t predictions = 0;    // predicted starts beyond the reservations, only shown to people
  std::int32_t preemption_gap = 100;  // a job makes way for one whose own priority is this much higher; < 1: for none
};

// A job that waits for slots only.
struct QueuedJob {
  std::uint64_t id = 0;
  std::int32_t priority = 0;
  UnixMs submitted_ms = 0;
  cluster::GangShape gang;
  std::int64_t duration_ms = 0;  // expected; 0: unknown
};

struct RunningJob {
  std::uint64_t id = 0;
  std::int32_t priority = 0;
  UnixMs submitted_ms = 0;  // with `priority`: its place in the queue, were it queued again
  UnixMs started_ms = 0;
  std::int64_t duration_ms = 0;  // expected; 0: unknown
  cluster::GangShape gang;
  cluster::Placement placement;
  bool preemptible = false;
  bool leaving = false;  // was told to make way or to end: its slots come free soon
};

// A reason why a job waits. The scheduler gives the reasons NEVER_FITS to DEPTH, and its callers the others
// (jobs/queue.cc).
struct Reason {
  v1::WaitReason code = v1::WAIT_REASON_UNSPECIFIED;
  std::string text;  // for people
};

struct Wait {
  std::uint32_t position = 0;     // in the queue, from 1
  UnixMs predicted_start_ms = 0;  // 0: unknown (never fits, or too far back)
  std::vector<Reason> reasons;    // all of them, the weightiest first
  std::uint64_t unlimited = 0;    // it waits behind this job, which has no limit: the prediction is a guess; 0: none
  bool slots_kept = false;        // slots are kept for that start: no job behind it delays it
};

struct Start {
  std::uint64_t id = 0;
  cluster::Placement placement;
};

struct Preemption {
  std::uint64_t victim = 0;
  std::uint64_t beneficiary = 0;
};

struct SchedulerInput {
  UnixMs now_ms = 0;
  const std::vector<cluster::HostSlots>* hosts = nullptr;  // not owned
  std::vector<QueuedJob> queued;                           // in any order
  std::vector<RunningJob> running;
  SchedulerOptions options;
};

struct SchedulerOutput {
  std::vector<Start> starts;
  std::vector<Preemption> preemptions;  // of victims that do not leave yet
  std::map<std::uint64_t, Wait> waits;  // every queued job that does not start
};

// Decides. `input.hosts` must not be null.
SchedulerOutput Schedule(const SchedulerInput& input);

}  // namespace still::coordinator
