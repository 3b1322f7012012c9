// Keeps the position of a rank in memory that it shares with its guardian. The rank writes by relaxed stores, which
// cost next to nothing, and the guardian reads. The words are lock-free and survive the death of either side at any
// instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "common/clock.h"
#include "common/enum_words.h"
#include "common/progress.h"

namespace still::worker {

// Counts the durations of one phase in buckets of a factor of two: bucket i has those below 2^i microseconds.
struct PhaseHistogram {
  static constexpr std::size_t kBuckets = 40;
  std::array<std::atomic<std::uint32_t>, kBuckets> counts{};
};

// All fields are lock-free atomics: the struct lives in anonymous shared memory.
struct SharedProgress {
  std::atomic<std::uint32_t> phase{v1::PHASE_START};
  std::atomic<std::uint64_t> step{0};
  // Position in this rank's share of the step. In PHASE_INFERENCE it is the number of the batch.
  std::atomic<std::uint64_t> microbatch{0};
  ProgressMarks marks;  // of the rank's main thread
  std::array<PhaseHistogram, v1::Phase_ARRAYSIZE> histograms;
  std::atomic<std::uint32_t> drain{0};         // guardian or signal handler -> rank: finish the step, publish, end
  std::atomic<std::uint32_t> stack_dumped{0};  // rank's signal handler -> guardian
};

// The rank's side of the words. Every call is a sign of progress. Used by one thread.
class ProgressWriter {
 public:
  // `words` outlives the writer. When it is null, every call does nothing (tests, tools).
  explicit ProgressWriter(SharedProgress* words = nullptr, const Clock* clock = &Clock::System())
      : words_(words), clock_(clock) {}

  // Enters `phase` and records the duration of the phase that ends.
  void Enter(v1::Phase phase);
  void SetStep(std::uint64_t step);
  void SetMicrobatch(std::uint64_t index);
  // Returns the signs of progress that MarkProgress (common/progress.h) adds within a phase. Null without words.
  const ProgressMarks* marks() const { return words_ == nullptr ? nullptr : &words_->marks; }
  // Returns true when the rank was asked to finish its step, publish it and end.
  bool drain_requested() const;

 private:
  void ShowProgress();

  SharedProgress* words_;
  const Clock* clock_;
  std::optional<std::int64_t> entered_ns_;  // unset before the first Enter
};

// Returns the upper edge, in seconds, of the bucket that holds the 99th percentile. Returns 0 for fewer than 3 samples.
// The guardian calls it.
double P99Seconds(const PhaseHistogram& histogram);

}  // namespace still::worker
