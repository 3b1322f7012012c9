// Who starts next, where, who makes way, and why everybody else waits. Pure: a function of its input alone.
//
// The queue is ordered by effective priority (priority plus what waiting adds), then by submission. All wait at the
// same pace, so the order of two jobs never changes with time. Gangs are admitted whole. A job that does not fit gets a
// reservation at the earliest time the running jobs' expected ends allow, in queue order; a lower job starts only where
// it delays no reservation above it (conservative backfill): asked again with that job running, Schedule answers the
// same predicted starts. Jobs beyond `reservations` deep get none; they start only if they delay nobody's.
// `predictions` of them are told a start all the same, once everything is decided: nothing is kept for it, so that it
// may slip.
//
// A job with a reservation has others make way when that lets it start as soon as they are gone and delays no
// reservation above it. They are preemptible, `preemption_gap` below it in own priority, and behind it in the queue
// order: else they would be back before it started. Few of them, then the lowest, then the youngest; none that would
// not be missed, and nobody when it would not fit all the same or when those who leave already make room enough.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"

namespace still::coordinator {

struct SchedulerOptions {
  std::int64_t ageing_ms_per_point = 3'600'000;   // waiting this long is worth one point of priority; 0: no ageing
  std::int64_t default_duration_ms = 86'400'000;  // expected of a job without a time limit
  std::uint32_t reservations = 16;    // each has wide gangs wait less, and narrow ones more: docs/performance.md
  std::uint32_t predictions = 0;      // predictions beyond the reservations, for people alone
  std::int32_t preemption_gap = 100;  // a job makes way for one whose own priority is this much higher; < 1: for none
};

// One that may start as soon as there are slots: nothing but slots holds it back.
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
  UnixMs submitted_ms = 0;  // with `priority`, where in the queue it would be again
  UnixMs started_ms = 0;
  std::int64_t duration_ms = 0;  // expected; 0: unknown
  cluster::GangShape gang;
  cluster::Placement placement;
  bool preemptible = false;
  bool leaving = false;  // has been told to make way or to end: its slots come free soon
};

// Why a job waits, for people and programs.
struct Reason {
  // Of the scheduler: "NEVER_FITS", "HOSTS_DRAINED", "PREEMPTING" (others make way), "SLOTS", "RESERVED" (its slots are
  // kept for one ahead), "AHEAD", "DEPTH" (no slots are kept for it). Of its callers: "DEPENDENCY", "ARTIFACT_BUSY",
  // "HELD", ...
  std::string code;
  std::string text;
};

struct Wait {
  std::uint32_t position = 0;     // in the queue, from 1
  UnixMs predicted_start_ms = 0;  // 0: unknown (never fits, or too far back)
  std::vector<Reason> reasons;    // all of them, the weightiest first
  std::uint64_t unlimited = 0;    // job behind which it waits and which may last for ever: the prediction is a guess
  bool slots_kept = false;        // for that start: nobody behind it delays it
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
  std::vector<Preemption> preemptions;  // victims not leaving yet
  std::map<std::uint64_t, Wait> waits;  // every queued job that does not start
};

SchedulerOutput Schedule(const SchedulerInput& input);

}  // namespace still::coordinator
