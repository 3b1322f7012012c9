// Decides when a rank counts as hung. The rule is a pure function of what the guardian sees.
#pragma once

#include "worker/guardian/shared_progress.h"

namespace still::worker {

struct HangLimits {
  double floor_seconds = 10;  // the shortest silence that can be a hang
  double factor = 10;         // the limit is at least this multiple of the phase's p99, unless it shows progress
};

// The facts that the guardian sees of its rank.
struct RankSighting {
  v1::Phase phase = v1::PHASE_START;
  // Time since the last sign of progress. In a phase that shows progress, waiting for a disk counts as a sign, too.
  double quiet_seconds = 0;
  double p99_seconds = 0;  // 99th percentile of this phase's durations so far; 0 when unknown
  bool stopped = false;    // the kernel says that the process is stopped (state T)
};

enum class HangVerdict { kFine, kHung, kStopped };

// Returns how long the rank may be quiet in this phase. The limit is a multiple of L = max(floor, factor * p99). In a
// phase that shows progress L is the floor alone, because such a phase may take no time or hours.
//
// clang-format off
//   stopped, says the kernel      L, in every phase
//   START, RESTORE                12 L: models and states are loaded
//   phases that show progress     6 L: the work between two signs of progress is small, but varies
//   own work                      L; 6 L while too little is known: the first steps touch memory and choose kernels
//   waiting for others            6 L, by which time the guardian of the rank at fault has found it
//   WAIT                          infinite: this phase is not judged
// clang-format on
double HangLimitSeconds(const RankSighting& sighting, const HangLimits& limits);

// Returns kFine while the rank is quiet for no longer than that. After it, returns kStopped when the kernel says that
// the rank is stopped, else kHung.
HangVerdict Judge(const RankSighting& sighting, const HangLimits& limits);

}  // namespace still::worker
