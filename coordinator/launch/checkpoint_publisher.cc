#include "coordinator/launch/checkpoint_publisher.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "common/log.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"

namespace still::coordinator {
namespace {

// Each one takes the space of a whole checkpoint, perhaps on the disk that is full.
constexpr std::size_t kMostWaiting = 2;

// Returns the step of a path that ListCheckpoints returned.
std::uint64_t StepOf(const std::string& path) {
  constexpr std::string_view kBefore = "step-";
  std::uint64_t step = 0;
  const char* const digits = path.data() + path.rfind(kBefore) + kBefore.size();
  std::from_chars(digits, path.data() + path.size(), step);
  return step;
}

}  // namespace

Result<std::vector<v1::CheckpointManifest>> CheckpointPublisher::Reconcile() {
  if (Exists(directory_)) STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(directory_));
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::CheckpointManifest> known, journal_.Manifests());
  if (!known.empty() && !Exists(directory_))
    return Error(Code::kUnavailable,
                 "{} checkpoints are on record, but {} does not exist: make it reachable again, or remove the job's "
                 "directory under jobs/ as well to start over",
                 known.size(), directory_);
  std::vector<v1::CheckpointManifest> present;
  for (const v1::CheckpointManifest& manifest : known) {
    const std::string path = CheckpointPath(directory_, manifest.info());
    if (Exists(path)) {
      STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(path));
      present.push_back(manifest);
      continue;
    }
    LogWarn("checkpoint {} is gone, so its record is dropped", path);
    STILL_RETURN_IF_ERROR(journal_.Drop(manifest.info().step(), manifest.info().generation()));
  }
  // A directory that cannot be removed does no harm, because paths carry the generation.
  if (const Status removed = RemoveUnknown(std::numeric_limits<std::uint64_t>::max()); !removed.ok())
    LogWarn("checkpoints that are not on record could not be removed: {}", removed.message());
  return present;
}

void CheckpointPublisher::Add(v1::CheckpointManifest manifest) {
  waiting_.push_back(std::move(manifest));
  std::ranges::sort(waiting_, {}, [](const v1::CheckpointManifest& m) { return m.info().step(); });
  while (waiting_.size() > kMostWaiting) {
    const v1::CheckpointInfo& oldest = waiting_.front().info();
    const Status removed = RemoveAll(CheckpointPath(directory_, oldest));
    if (!removed.ok())
      LogWarn("the parts of checkpoint {}, which was given up, could not be removed: {}", oldest.step(),
              removed.message());
    waiting_.erase(waiting_.begin());
  }
}

std::vector<std::uint64_t> CheckpointPublisher::PublishWaiting() {
  std::vector<std::uint64_t> published;
  trouble_ = Ok();
  while (!waiting_.empty()) {
    trouble_ = Publish(waiting_.front());
    if (!trouble_.ok()) break;
    const std::uint64_t step = waiting_.front().info().step();
    waiting_.erase(waiting_.begin());
    published.push_back(step);
    if (const Status removed = RemoveUnknown(step); !removed.ok())
      LogWarn("checkpoints that are not on record could not be removed: {}", removed.message());
  }
  return published;
}

Status CheckpointPublisher::Publish(const v1::CheckpointManifest& manifest) {
  STILL_RETURN_IF_ERROR(DropIfGone(manifest.info()));
  STILL_RETURN_IF_ERROR(journal_.Publish(manifest, retention_).status());
  const std::string path = CheckpointPath(directory_, manifest.info());
  const Status copied = WriteFileAtomically(JoinPath(path, kManifestFile), ManifestJson(manifest));
  if (!copied.ok())
    LogWarn("{} is published, but its copy of the manifest could not be written: {}", path, copied.message());
  return Ok();
}

// A checkpoint of the same step may be on record although it was found damaged and set aside meanwhile.
Status CheckpointPublisher::DropIfGone(const v1::CheckpointInfo& info) {
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::CheckpointManifest> known, journal_.Manifests());
  for (const v1::CheckpointManifest& manifest : known) {
    const std::string path = CheckpointPath(directory_, manifest.info());
    if (manifest.info().step() == info.step() && !Exists(path))
      STILL_RETURN_IF_ERROR(journal_.Drop(manifest.info().step(), manifest.info().generation()));
  }
  return Ok();
}

// Every live rank has finished its share of `up_to_step`, so no rank writes to older ones any more.
Status CheckpointPublisher::RemoveUnknown(std::uint64_t up_to_step) {
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::CheckpointManifest> known, journal_.Manifests());
  std::set<std::string> keep;
  for (const v1::CheckpointManifest& manifest : known) keep.insert(CheckpointPath(directory_, manifest.info()));
  for (const v1::CheckpointManifest& manifest : waiting_) keep.insert(CheckpointPath(directory_, manifest.info()));
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> paths, ListCheckpoints(directory_));
  for (const std::string& path : paths) {
    if (!keep.contains(path) && StepOf(path) <= up_to_step) STILL_RETURN_IF_ERROR(RemoveAll(path));
  }
  return Ok();
}

}  // namespace still::coordinator
