#include "coordinator/views/goodput.h"

#include <algorithm>

#include "coordinator/jobs/state.h"

namespace still::coordinator {

std::map<v1::GoodputKind, double> GoodputOf(const v1::Job& job, const LiveJob* live, UnixMs now) {
  std::map<v1::GoodputKind, double> goodput;
  for (int kind = 1; kind < v1::GoodputKind_ARRAYSIZE; ++kind) goodput[static_cast<v1::GoodputKind>(kind)] = 0;
  const double gang = std::max<std::uint32_t>(1, RanksOf(job));
  const bool waits = IsQueued(job.state());
  double before = 0;  // wall time of the attempts before the last wait
  if (live != nullptr) {
    for (const auto& [phase, seconds] : live->phase_seconds) goodput[FactsOf(phase).goodput] += seconds / gang;
    for (const auto& [phase, seconds] : live->earlier_phase_seconds) {
      goodput[FactsOf(phase).goodput] += seconds / gang;
      before += seconds / gang;
    }
    if (waits || live->attempt < job.attempt()) {
      for (const auto& [phase, seconds] : live->phase_seconds) before += seconds / gang;
    }
  }
  // The record has the time of submission and the time when the last attempt got its slots. In between the job waited
  // or ran.
  const bool before_is_known =
      job.attempt() == 0 || (job.attempt() == 1 && !waits) || (live != nullptr && live->heard_from_the_first);
  if (before_is_known) {
    const UnixMs until = waits ? now : job.started_ms() != 0 ? job.started_ms() : job.ended_ms();
    goodput[v1::GOODPUT_KIND_QUEUE] = std::max(0.0, static_cast<double>(until - job.submitted_ms()) / 1000.0 - before);
  } else if (waits) {
    goodput[v1::GOODPUT_KIND_QUEUE] = std::max(0.0, static_cast<double>(now - job.since_ms()) / 1000.0);
  }
  return goodput;
}

}  // namespace still::coordinator
