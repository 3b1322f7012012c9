// Writes one rank's share of a checkpoint while the rank goes on training.
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

// The outcome of writing one checkpoint's share.
struct WriteOutcome {
  Result<v1::PartsWritten> share;  // what to tell the coordinator
  double copy_seconds = 0;         // how long training stood still
  double write_seconds = 0;
};

// The writer is owned by one thread, which makes all calls, and has one thread of its own. At most one checkpoint is in
// flight. The destructor waits for the end of the file in progress. Files of an unfinished checkpoint stay behind
// without a manifest and count for nothing.
class BackgroundWriter {
 public:
  // Prepares to write checkpoints of a model of this layout into subdirectories of `directory`.
  BackgroundWriter(std::string directory, std::vector<ParameterInfo> layout);
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  // Returns true from Begin until TakeOutcome has returned the outcome.
  bool busy() const { return busy_; }
  // Copies the parts of rank `rank` of `ranks` (part p belongs to rank p mod ranks) and starts to write them. The
  // writer must not be busy. `log` is the log of the steps up to this checkpoint, if this rank keeps one; it is synced,
  // too.
  void Begin(const v1::CheckpointInfo& info, const LiveState& state, int rank, int ranks, const std::string& log = "");
  // Returns the outcome of what Begin started, once; nothing while it is being written.
  std::optional<WriteOutcome> TakeOutcome();

 private:
  void Work(std::stop_token stop);
  Result<v1::PartsWritten> WriteShare() const;

  const std::string directory_;
  const std::vector<ParameterInfo> layout_;
  const std::vector<PartRange> ranges_;
  bool busy_ = false;  // the owner's view

  // Handed over under the mutex: they belong to the owner while nothing is begun, then to the thread until it is done.
  v1::PartsWritten share_;  // without its parts
  std::string log_;
  std::vector<std::size_t> part_indices_;
  std::vector<PartCopy> copies_;

  std::mutex mutex_;  // guards the fields that follow
  std::condition_variable_any changed_;
  bool begun_ = false;
  std::optional<WriteOutcome> outcome_;
  double copy_seconds_ = 0;
  std::jthread thread_;  // declared last, so that it stops before the rest is destroyed
};

}  // namespace still::worker
