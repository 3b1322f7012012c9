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

void BackgroundWriter::Begin(const v1::CheckpointInfo& info, const LiveState& state, int rank, int ranks,
                             const std::string& log) {
  STILL_CHECK(!busy_, "never two checkpoints in flight");
  const Clock::TimePoint started = Clock::System().Now();
  busy_ = true;
  *share_.mutable_info() = info;
  share_.set_total_parts(static_cast<std::uint32_t>(ranges_.size()));
  share_.set_ranks(static_cast<std::uint32_t>(ranks));
  share_.set_state_digest(SampleDigest(state, info.step()));
  log_ = log;
  part_indices_.clear();
  for (auto part = static_cast<std::size_t>(rank); part < ranges_.size(); part += static_cast<std::size_t>(ranks))
    part_indices_.push_back(part);
  if (copies_.size() < part_indices_.size()) copies_.resize(part_indices_.size());
  for (std::size_t i = 0; i < part_indices_.size(); ++i) CopyPart(state, ranges_[part_indices_[i]], &copies_[i]);
  const std::lock_guard lock(mutex_);
  copy_seconds_ = SecondsSince(Clock::System(), started);
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
    Result<v1::PartsWritten> share = WriteShare();
    const double seconds = SecondsSince(Clock::System(), started);
    const std::lock_guard lock(mutex_);
    outcome_ = WriteOutcome{.share = std::move(share), .copy_seconds = copy_seconds_, .write_seconds = seconds};
  }
}

Result<v1::PartsWritten> BackgroundWriter::WriteShare() const {
  v1::PartsWritten share = share_;
  if (!log_.empty()) STILL_RETURN_IF_ERROR(SyncFile(log_));
  if (part_indices_.empty()) return share;
  const std::string directory = CheckpointPath(directory_, share.info());
  STILL_RETURN_IF_ERROR(MakeDirectories(directory));
  for (std::size_t i = 0; i < part_indices_.size(); ++i) {
    STILL_ASSIGN_OR_RETURN(*share.add_parts(), WritePart(directory, part_indices_[i], copies_[i], layout_));
  }
  STILL_RETURN_IF_ERROR(SyncDirectory(directory_));
  return share;
}

}  // namespace still::worker
