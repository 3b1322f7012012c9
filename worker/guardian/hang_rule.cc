#include "worker/guardian/hang_rule.h"

#include <algorithm>
#include <limits>

namespace still::worker {
namespace {

constexpr double kStartLimits = 12;    // models and states are loaded
constexpr double kProgressLimits = 6;  // far more than a mebibyte takes, or a copy of a book in memory
constexpr double kWaitingLimits = 6;   // time for the guardian of the rank at fault
constexpr double kUnknownLimits = 6;   // nothing to compare with yet

}  // namespace

double HangLimitSeconds(const RankSighting& sighting, const HangLimits& limits) {
  const bool shows_progress = FactsOf(sighting.phase).shows_progress;
  const double limit = std::max(limits.floor_seconds, shows_progress ? 0 : limits.factor * sighting.p99_seconds);
  if (sighting.stopped) return limit;
  if (sighting.phase == v1::PHASE_WAIT) return std::numeric_limits<double>::infinity();
  if (shows_progress) return kProgressLimits * limit;
  if (sighting.phase == v1::PHASE_START || sighting.phase == v1::PHASE_RESTORE) return kStartLimits * limit;
  if (FactsOf(sighting.phase).waits_for_others) return kWaitingLimits * limit;
  return sighting.p99_seconds > 0 ? limit : kUnknownLimits * limit;
}

HangVerdict Judge(const RankSighting& sighting, const HangLimits& limits) {
  if (!(sighting.quiet_seconds > HangLimitSeconds(sighting, limits))) return HangVerdict::kFine;
  return sighting.stopped ? HangVerdict::kStopped : HangVerdict::kHung;
}

}  // namespace still::worker
