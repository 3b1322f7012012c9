#include "worker/guardian/shared_progress.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace still::worker {
namespace {

// Two processes share the words. A lock in one of them would not lock out the other.
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t kFewestSamples = 3;

std::int64_t Nanoseconds(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock.Now().time_since_epoch()).count();
}

std::size_t BucketOf(std::int64_t nanoseconds) {
  const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0)) / 1000;
  return std::min<std::size_t>(std::bit_width(microseconds), PhaseHistogram::kBuckets - 1);
}

}  // namespace

void ProgressWriter::Enter(v1::Phase phase) {
  if (words_ == nullptr) return;
  const std::int64_t now = Nanoseconds(*clock_);
  if (entered_ns_) {
    const std::uint32_t ended = words_->phase.load(std::memory_order_relaxed);
    words_->histograms[ended].counts[BucketOf(now - *entered_ns_)].fetch_add(1, std::memory_order_relaxed);
  }
  entered_ns_ = now;
  // The order matters: a reader of the new phase must not measure it against a sign of progress from before it.
  words_->marks.last_ns.store(now, std::memory_order_relaxed);
  words_->phase.store(static_cast<std::uint32_t>(phase), std::memory_order_release);
}

void ProgressWriter::SetStep(std::uint64_t step) {
  if (words_ == nullptr) return;
  words_->step.store(step, std::memory_order_relaxed);
  ShowProgress();
}

void ProgressWriter::SetMicrobatch(std::uint64_t index) {
  if (words_ == nullptr) return;
  words_->microbatch.store(index, std::memory_order_relaxed);
  ShowProgress();
}

void ProgressWriter::ShowProgress() { words_->marks.last_ns.store(Nanoseconds(*clock_), std::memory_order_relaxed); }

bool ProgressWriter::drain_requested() const {
  return words_ != nullptr && words_->drain.load(std::memory_order_relaxed) != 0;
}

double P99Seconds(const PhaseHistogram& histogram) {
  std::array<std::uint64_t, PhaseHistogram::kBuckets> counts;
  std::uint64_t samples = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = histogram.counts[i].load(std::memory_order_relaxed);
    samples += counts[i];
  }
  if (samples < kFewestSamples) return 0;
  const std::uint64_t wanted = samples - samples / 100;  // how many samples are not above the percentile
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  for (; bucket < counts.size(); ++bucket) {
    seen += counts[bucket];
    if (seen >= wanted) break;
  }
  return std::ldexp(1e-6, static_cast<int>(bucket));
}

}  // namespace still::worker
