#include "worker/checkpoint/background_writer.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "common/clock.h"
#include "common/storage/files.h"

namespace still::worker {
namespace {

constexpr int kNice = 10;

}  // namespace

BackgroundWriter::BackgroundWriter(std::string directory, std::vector<ParameterInfo> layout)
    : directory_(std::move(directory)),
      layout_(std::move(layout)),
      ranges_(CutIntoParts(layout_)),
      thread_([this](std::stop_token stop) { Work(std::move(stop)); }) {}

BackgroundWriter::~BackgroundWriter() = default;

void BackgroundWriter::Begin(const CheckpointInfo& info, const LiveState& state, int rank, int ranks,
                             const std::string& log) {
  STILL_CHECK(!busy_, "never two checkpoints in flight");
  const Clock::TimePoint started = Clock::System().Now();
  busy_ = true;
  info_ = info;
  log_ = log;
  state_digest_ = SampleDigest(state, info.step);
  part_indices_.clear();
  for (auto part = static_cast<std::size_t>(rank); part < ranges_.size(); part += static_cast<std::size_t>(ranks))
    part_indices_.push_back(part);
  if (copies_.size() < part_indices_.size()) copies_.resize(part_indices_.size());
  for (std::size_t i = 0; i < part_indices_.size(); ++i) CopyPart(state, ranges_[part_indices_[i]], &copies_[i]);
  const std::lock_guard lock(mutex_);
  copy_seconds_ = SecondsSince(Clock::System(), started);
  ranks_ = static_cast<std::uint32_t>(ranks);
  begun_ = true;
  changed_.notify_one();
}

std::optional<WriteOutcome> BackgroundWriter::TakeOutcome() {
  const std::lock_guard lock(mutex_);
  std::optional<WriteOutcome> outcome = std::exchange(outcome_, std::nullopt);
  if (outcome) busy_ = false;
  return outcome;
}

void BackgroundWriter::Work(std::stop_token stop) {
  // The writer takes only the time that training leaves: a later checkpoint is better than a slower step.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return begun_; })) return;
      begun_ = false;
    }
    const Clock::TimePoint started = Clock::System().Now();
    Result<std::vector<CheckpointPart>> parts = WriteParts();
    const double seconds = SecondsSince(Clock::System(), started);
    const std::lock_guard lock(mutex_);
    outcome_ = WriteOutcome{.info = info_,
                            .ranks = ranks_,
                            .parts = std::move(parts),
                            .state_digest = state_digest_,
                            .copy_seconds = copy_seconds_,
                            .write_seconds = seconds};
  }
}

Result<std::vector<CheckpointPart>> BackgroundWriter::WriteParts() const {
  std::vector<CheckpointPart> parts;
  if (!log_.empty()) STILL_RETURN_IF_ERROR(SyncFile(log_));
  if (part_indices_.empty()) return parts;
  const std::string directory = CheckpointPath(directory_, info_.step, info_.generation);
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  for (std::size_t i = 0; i < part_indices_.size(); ++i) {
    STILL_ASSIGN_OR_RETURN(CheckpointPart part, WritePart(directory, part_indices_[i], copies_[i], layout_));
    parts.push_back(std::move(part));
  }
  STILL_RETURN_IF_ERROR(SyncDirectory(directory_));
  return parts;
}

}  // namespace still::worker
