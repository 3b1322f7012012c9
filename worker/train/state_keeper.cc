#include "worker/train/state_keeper.h"

#include <algorithm>
#include <chrono>

#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/storage/files.h"
#include "worker/checkpoint/restore.h"

namespace still::worker {
namespace {

constexpr std::uint64_t kStepsWithoutSnapshots = 21;  // after a failure; odd, so that the next try is at the other slot
constexpr std::chrono::milliseconds kPollInterval{2};
constexpr double kPublishPatienceSeconds = 10;
constexpr double kCopyBytesPerSecond = 2e9;  // until a copy has been measured

ScheduleOptions WithExpectedCost(ScheduleOptions options, const std::vector<ParameterInfo>& layout) {
  options.expected_cost_seconds = 3 * sizeof(float) * static_cast<double>(ExtentOf(layout)) / kCopyBytesPerSecond;
  return options;
}

}  // namespace

StateKeeper::StateKeeper(const KeeperOptions& options, const std::string& identity,
                         const std::vector<ParameterInfo>& layout, Communicator& world, ControlLink& control,
                         ProgressWriter& progress)
    : options_(options),
      identity_(identity),
      layout_(layout),
      world_(world),
      control_(control),
      progress_(progress),
      clock_(Clock::System()),
      snapshot_(options.snapshot_directory, options.checkpoint_directory, identity, ExtentOf(layout)),
      writer_(options.checkpoint_directory, layout),
      schedule_(WithExpectedCost(options.schedule, layout), 0, clock_.Now()) {}

Result<std::optional<v1::CheckpointInfo>> StateKeeper::Restore(LiveState& live) {
  // The first launch of a job has nothing to continue. A snapshot there belongs to a job whose directory was removed.
  if (options_.generation == 1 && world_.host_place().index == 0) snapshot_.Remove();
  return RestoreNewest(world_, {options_.checkpoint_directory, options_.published, snapshot_}, identity_, layout_,
                       live);
}

void StateKeeper::StartAt(std::uint64_t step) { schedule_.Started(step, clock_.Now()); }

double StateKeeper::Snapshot(const v1::CheckpointInfo& info, const LiveState& live) {
  if (info.step() < snapshots_off_until_) return 0;
  progress_.Enter(v1::PHASE_SNAPSHOT);
  const Clock::TimePoint started = clock_.Now();
  const Status written = snapshot_.Write(info, live, world_.host_place());
  if (!written.ok()) {
    LogWarn("no snapshot of step {} in memory, nor of the next {} steps: {}", info.step(), kStepsWithoutSnapshots,
            written.message());
    snapshots_off_until_ = info.step() + kStepsWithoutSnapshots;
  }
  return SecondsSince(clock_, started);
}

double StateKeeper::BeginCheckpoint(const v1::CheckpointInfo& info, const LiveState& live, const std::string& log) {
  progress_.Enter(v1::PHASE_CHECKPOINT);
  const Clock::TimePoint started = clock_.Now();
  writer_.Begin(info, live, world_.rank(), world_.size(), log);
  last_begun_ = info.step();
  last_failed_ = false;
  const double seconds = SecondsSince(clock_, started);
  schedule_.Started(info.step(), clock_.Now());
  schedule_.Measured(seconds);
  return seconds;
}

Status StateKeeper::Poll() {
  if (const std::optional<WriteOutcome> outcome = writer_.TakeOutcome()) {
    last_failed_ = !outcome->share.ok();
    ReportTrouble(outcome->share.status());
    if (outcome->share.ok()) {
      LogInfo("checkpoint of step {}: copied in {:.3f} s, written in {:.3f} s", outcome->share->info().step(),
              outcome->copy_seconds, outcome->write_seconds);
      STILL_RETURN_IF_ERROR(FaultPoint("publish"));
      STILL_RETURN_IF_ERROR(control_.PartsWritten(*outcome->share));
    }
  }
  return control_.Poll();
}

Status StateKeeper::Finish(const v1::CheckpointInfo& info, const LiveState& live, const std::string& log) {
  Status fenced;
  progress_.Enter(v1::PHASE_CHECKPOINT);
  if (last_begun_ != info.step()) {
    if (!WaitUntil([&] { return !writer_.busy(); }, &fenced)) return fenced;
    BeginCheckpoint(info, live, log);
  }
  const auto published = [&] { return CheckPublished(info.step()).ok(); };
  // The other ranks wait for the leading one at the next collective call.
  if (!WaitUntil([&] { return !writer_.busy() && (last_failed_ || published()); }, &fenced)) return fenced;
  if (!published())
    LogWarn("the checkpoint of step {} was not published; a run that is started again continues from an older one",
            info.step());
  return Ok();
}

Status StateKeeper::CheckPublished(std::uint64_t step) const {
  const auto published = control_.PublishedStep();
  if (world_.rank() != 0 || (published && *published >= step)) return Ok();
  return Error(Code::kUnavailable, "the checkpoint of step {} is not published", step);
}

// Blocks until `done`, or until patience runs out. Returns false only when fenced.
bool StateKeeper::WaitUntil(const std::function<bool()>& done, Status* fenced) {
  const Clock::TimePoint started = clock_.Now();
  while (!done() && (writer_.busy() || SecondsSince(clock_, started) < kPublishPatienceSeconds)) {
    *fenced = Poll();
    if (!fenced->ok()) return false;
    progress_.Enter(v1::PHASE_CHECKPOINT);
    clock_.SleepFor(kPollInterval);
  }
  return true;
}

void StateKeeper::ReportTrouble(const Status& trouble) {
  if (trouble.message() == trouble_) return;
  trouble_ = trouble.message();
  if (!trouble.ok())
    LogWarn("checkpoints cannot be written; training goes on without them: {}", trouble_);
  else
    LogInfo("checkpoints are written again");
  control_.ReportStorageTrouble(trouble_);
}

}  // namespace still::worker
