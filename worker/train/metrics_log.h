// The log of a training run ("training.jsonl"): one JSON object per line and step, appended as steps are committed and
// kept across launches. Only rank 0 writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "common/storage/artifact.h"

namespace still::worker {

struct StepMetrics {
  std::uint64_t step = 0;  // from 0
  std::uint64_t epoch = 0;
  bool skipped = false;  // not finite, so no update was made and the losses mean nothing
  double loss = 0;
  double kl = 0;
  double mlm = 0;
  double cosine = 0;
  double masked_accuracy = 0;
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  std::uint64_t sequences = 0;
  std::uint64_t tokens = 0;  // without padding
  double seconds = 0;
  double snapshot_seconds = 0;    // of these, for the copy in memory of the step before,
  double checkpoint_seconds = 0;  // and for the copy of this step for a checkpoint
  std::uint64_t generation = 0;
  int ranks = 0;
};

// The log of one run. Owned by one thread.
class MetricsLog {
 public:
  // Opens `path` for the run that continues with step `next_step`. Drops the lines of that step and of later ones,
  // which will be done again, and a last line that a kill has torn.
  static Result<std::unique_ptr<MetricsLog>> Open(const std::string& path, std::uint64_t next_step);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  // Appends one line. What cannot be written (a full disk) is kept and tried again with the next line.
  Status Append(const StepMetrics& metrics);
  Status Flush();
  const std::string& path() const { return path_; }
  std::uint64_t dropped() const { return dropped_; }  // number of lines that Open dropped

 private:
  MetricsLog(std::string path, int fd, std::uint64_t dropped) : path_(std::move(path)), fd_(fd), dropped_(dropped) {}

  std::string path_;
  int fd_;
  std::uint64_t dropped_;
  std::string unwritten_;
};

// Returns the sums of a finished run's log: steps, sequences, tokens, seconds, tokens_per_second and skipped_steps.
// Adds loss, kl, mlm and cosine of the first and last step that was not skipped ("loss_first", "loss_last", ...).
Result<Summary> SummariseMetrics(const std::string& path);

}  // namespace still::worker
