// Where a rank is, in memory that it shares with its guardian: the rank writes with relaxed stores that cost nothing,
// the guardian reads. Lock-free; survives the death of either side at any instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "common/clock.h"
#include "common/vocabulary.h"

namespace still::worker {

// Durations of one phase, in buckets of a factor of two: bucket i counts those below 2^i microseconds.
struct PhaseHistogram {
  static constexpr std::size_t kBuckets = 40;
  std::array<std::atomic<std::uint32_t>, kBuckets> counts{};
};

// All fields are lock-free atomics: the struct lives in anonymous shared memory.
struct ProgressWords {
  std::atomic<std::uint32_t> phase{v1::PHASE_START};
  std::atomic<std::uint64_t> step{0};
  std::atomic<std::uint64_t> microbatch{
      0};  // position in this rank's share; in PHASE_INFERENCE, the number of the batch
  std::atomic<std::int64_t> progressed_ns{0};  // steady clock at the last sign of progress
  std::array<PhaseHistogram, v1::Phase_ARRAYSIZE> histograms;
  std::atomic<std::uint32_t> drain{0};         // guardian or signal handler -> rank: finish the step, publish, end
  std::atomic<std::uint32_t> stack_dumped{0};  // rank's signal handler -> guardian
};

// The rank's side. Every call is a sign of progress. One thread.
class ProgressWriter {
 public:
  // `words` outlives it; null: every call does nothing (tests, tools).
  explicit ProgressWriter(ProgressWords* words = nullptr, const Clock* clock = &Clock::System())
      : words_(words), clock_(clock) {}

  void Enter(v1::Phase phase);  // also records the duration of the phase that ends
  void SetStep(std::uint64_t step);
  void SetMicrobatch(std::uint64_t index);
  void Beat();
  bool drain_requested() const;

 private:
  ProgressWords* words_;
  const Clock* clock_;
  std::optional<std::int64_t> entered_ns_;  // nothing before the first Enter
};

// The guardian's side: upper edge of the bucket that holds the 99th percentile, in seconds; 0 with fewer than 3
// samples.
double P99Seconds(const PhaseHistogram& histogram);

}  // namespace still::worker
