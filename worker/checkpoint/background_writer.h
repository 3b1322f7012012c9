// Writes one rank's share of a checkpoint while the rank trains on.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "worker/checkpoint/training_state.h"

namespace still::worker {

// What became of one checkpoint's share.
struct WriteOutcome {
  CheckpointInfo info;
  std::uint32_t ranks = 0;  // that shared in it
  Result<std::vector<CheckpointPart>> parts;
  std::string state_digest;  // SampleDigest of all of the state
  double copy_seconds = 0;   // for which training stood still
  double write_seconds = 0;
};

// Owned by one thread, which makes all calls; has one thread of its own. Never two checkpoints in flight. Destroyed in
// mid-write it waits for the end of the file in progress; what it wrote stays without a manifest, which is nothing.
class BackgroundWriter {
 public:
  // Checkpoints of a model of this layout, in subdirectories of `directory`.
  BackgroundWriter(std::string directory, std::vector<ParameterInfo> layout);
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  std::uint32_t total_parts() const { return static_cast<std::uint32_t>(ranges_.size()); }
  // From Begin until TakeOutcome gave its outcome.
  bool busy() const { return busy_; }
  // Copies the parts of rank `rank` of `ranks` (part p belongs to rank p mod ranks) and starts to write them. Not busy.
  // `log` is synced with them, when this rank keeps one: the record of the steps that the checkpoint stands for.
  void Begin(const CheckpointInfo& info, const LiveState& state, int rank, int ranks, const std::string& log = "");
  // The outcome of what Begin started, once.
  std::optional<WriteOutcome> TakeOutcome();

 private:
  void Work(std::stop_token stop);
  Result<std::vector<CheckpointPart>> WriteParts() const;

  const std::string directory_;
  const std::vector<ParameterInfo> layout_;
  const std::vector<PartRange> ranges_;
  bool busy_ = false;  // the owner's view

  // Handed over under the mutex: the owner's while nothing is begun, the thread's until it is done.
  CheckpointInfo info_;
  std::string log_;
  std::string state_digest_;
  std::vector<std::size_t> part_indices_;
  std::vector<PartCopy> copies_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  bool begun_ = false;
  std::optional<WriteOutcome> outcome_;
  double copy_seconds_ = 0;
  std::uint32_t ranks_ = 0;
  std::jthread thread_;  // last: stops before the rest goes
};

}  // namespace still::worker
