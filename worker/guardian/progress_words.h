// Where a rank is, in memory that it shares with its guardian: the rank writes with relaxed stores that cost nothing,
// the guardian reads. Lock-free; survives the death of either side at any instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/clock.h"

namespace still::worker {

// Phases of a rank, as DESIGN's step names them. kRestore, kReduce, kVote, kRecover and kShutdown wait for other ranks.
enum class Phase : std::uint32_t {
  kStart,       // MPI_Init, loading what the stage needs
  kRestore,     // newest checkpoint or snapshot, agreed on by all ranks
  kCompute,     // microbatches of this rank
  kReduce,      // sums over ranks
  kVote,        // may the step count?
  kOptimizer,   // the update
  kSnapshot,    // copy to the memory file system
  kCheckpoint,  // copy for the background writer, or waiting for it to end
  kRecover,     // going on without a dead rank
  kInference,   // a batch of a stage that has no steps (targets, evaluate)
  kLoad,        // of a stage without steps: inputs digested, models loaded, what is made looked at
  kPiece,       // a piece of a corpus
  kDeal,        // its deal
  kCopy,        // one of its shards
  kSeal,        // a shard of targets is written, synced, renamed
  kCommit,      // so is the artifact of any stage
  kStage,       // waiting: for a lease, for who commits: not judged
  kShutdown,    // the last barrier and MPI_Finalize
};
inline constexpr std::size_t kPhases = 18;
std::string_view PhaseName(Phase phase);
// Whether the time in this phase depends on other ranks, so that no progress is not this rank's fault.
bool WaitsForOthers(Phase phase);
// Whether a rank beats (common/progress.h) all the while it is in this phase, unless a disk keeps it waiting.
bool Beats(Phase phase);

// Durations of one phase, in buckets of a factor of two: bucket i counts those below 2^i microseconds.
struct PhaseHistogram {
  static constexpr std::size_t kBuckets = 40;
  std::array<std::atomic<std::uint32_t>, kBuckets> counts{};
};

// All fields are lock-free atomics: the struct lives in anonymous shared memory, zeroed.
struct ProgressWords {
  std::atomic<std::uint32_t> phase{0};
  std::atomic<std::uint64_t> step{0};
  std::atomic<std::uint64_t> microbatch{0};    // position in this rank's share; of kInference, how-manieth batch
  std::atomic<std::int64_t> progressed_ns{0};  // steady clock at the last sign of progress
  std::array<PhaseHistogram, kPhases> histograms;
  std::atomic<std::uint32_t> drain{0};         // guardian or signal handler -> rank: finish the step, publish, end
  std::atomic<std::uint32_t> stack_dumped{0};  // rank's signal handler -> guardian
};

// The rank's side. Every call is a sign of progress. One thread.
class ProgressWriter {
 public:
  // `words` outlives it; null: every call does nothing (tests, tools).
  explicit ProgressWriter(ProgressWords* words = nullptr, const Clock* clock = &Clock::System())
      : words_(words), clock_(clock) {}

  void Enter(Phase phase);  // also records the duration of the phase that ends
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
