// The parts of one decision of the scheduler: which job has slots until when, and the plan of each waiting job.
#pragma once

#include <cstdint>
#include <vector>

#include "common/unix_time.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/scheduler/slot_profile.h"

namespace still::coordinator {

// A running job with its slots.
struct Occupant {
  const RunningJob* job = nullptr;
  std::vector<SlotsOnHost> slots;
  UnixMs end_ms = 0;  // expected
  bool leaving = false;
};

// The plan for one waiting job.
struct JobPlan {
  enum class Fate {
    kStarts,
    kReserved,        // its slots are kept for it
    kPredicted,       // will start then as far as is known; no slots are kept for it
    kBehind,          // too far back for a prediction
    kNotOnOpenHosts,  // would fit, were all hosts open
    kNeverFits,
  };

  const QueuedJob* job = nullptr;
  std::int64_t duration_ms = 0;
  Fate fate = Fate::kBehind;
  UnixMs start_ms = 0;  // like `slots`, set for kStarts, kReserved and kPredicted
  std::vector<SlotsOnHost> slots;
  std::vector<std::uint64_t> victims;

  UnixMs end_ms() const { return start_ms + duration_ms; }
};

}  // namespace still::coordinator
