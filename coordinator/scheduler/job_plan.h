// What one decision of the scheduler is made of: who has slots until when, and what is planned for each waiting job.
#pragma once

#include <cstdint>
#include <vector>

#include "common/unix_time.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/scheduler/slot_profile.h"

namespace still::coordinator {

struct Occupant {
  const RunningJob* job = nullptr;
  std::vector<SlotsOnHost> slots;
  UnixMs end_ms = 0;  // expected
  bool leaving = false;
};

struct JobPlan {
  enum class Fate {
    kStarts,
    kReserved,        // its slots are kept for it
    kPredicted,       // will start then as far as is known; its slots are not kept
    kBehind,          // beyond all of these
    kNotOnOpenHosts,  // would fit, were all hosts open
    kNeverFits,
  };

  const QueuedJob* job = nullptr;
  std::int64_t duration_ms = 0;
  Fate fate = Fate::kBehind;
  UnixMs start_ms = 0;  // of kStarts, kReserved and kPredicted, with `slots`
  std::vector<SlotsOnHost> slots;
  std::vector<std::uint64_t> victims;

  UnixMs end_ms() const { return start_ms + duration_ms; }
};

}  // namespace still::coordinator
