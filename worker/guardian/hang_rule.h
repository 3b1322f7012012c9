// When a rank counts as hung: a pure function of what its guardian sees.
#pragma once

#include <string>

#include "worker/guardian/progress_words.h"

namespace still::worker {

struct HangLimits {
  double floor_seconds = 10;  // nothing shorter is a hang
  double factor = 10;         // nor is anything below this multiple of the phase's 99th percentile
};

struct RankSighting {
  v1::Phase phase = v1::PHASE_START;
  double quiet_seconds = 0;  // since the last sign of progress, or, where it beats, of waiting for a disk
  double p99_seconds = 0;    // of this phase so far; 0: unknown
  bool stopped = false;      // the kernel says it is stopped (T)
};

enum class HangVerdict { kFine, kHung, kStopped };

// How long the rank may be quiet in this phase; infinite where it is not judged. With L = max(floor, factor * p99), and
// the floor alone where it beats, as phases of one kind take anything from no time to hours:
//   stopped, says the kernel       L, in every phase
//   START, RESTORE                 12 L: models and states are loaded
//   phases that beat               6 L: what lies between two beats is small, but not alike
//   own work                       L; 6 L while too little is known: the first steps touch memory and choose kernels
//   waiting for others             6 L, by when whoever is at fault has been found by its own guardian
//   WAIT                           infinite
double HangLimitSeconds(const RankSighting& sighting, const HangLimits& limits);

// Quiet for longer than that: kStopped when the kernel says that it is stopped, else kHung.
HangVerdict Judge(const RankSighting& sighting, const HangLimits& limits);

}  // namespace still::worker
