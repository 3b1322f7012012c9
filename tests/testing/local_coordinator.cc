#include "tests/testing/local_coordinator.h"

namespace still::testing {

class LocalControlLink final : public worker::ControlLink {
 public:
  LocalControlLink(LocalCoordinator& coordinator, int rank) : coordinator_(coordinator), rank_(rank) {}

  void ReportProgress(const v1::Progress& progress) override {
    const std::lock_guard lock(coordinator_.mutex_);
    coordinator_.last_progress_ = progress;
    coordinator_.steps_reported_.push_back(progress.done());
  }
  Result<v1::LeaseGrant> NextShard() override { return v1::LeaseGrant(); }
  Status ShardDone(const v1::ShardDone&) override { return Ok(); }
  Status Poll() override {
    if (coordinator_.fenced.contains(rank_)) return Error(Code::kAborted, "rank {} is fenced", rank_);
    return Ok();
  }
  Status PartsWritten(const v1::PartsWritten& written) override {
    const std::lock_guard lock(coordinator_.mutex_);
    if (coordinator_.deaf) return Ok();
    LocalCoordinator::Pending& pending = coordinator_.pending_[written.info().SerializeAsString()];
    for (const v1::CheckpointPart& part : written.parts()) pending.parts[part.file()] = part;
    if (++pending.reports < written.ranks() || pending.parts.size() < written.total_parts()) return Ok();
    v1::CheckpointManifest manifest;
    *manifest.mutable_info() = written.info();
    for (const auto& [file, part] : pending.parts) *manifest.add_parts() = part;
    coordinator_.published_[written.info().step()] = manifest;
    return Ok();
  }
  std::optional<std::uint64_t> PublishedStep() const override {
    const std::lock_guard lock(coordinator_.mutex_);
    if (coordinator_.published_.empty()) return std::nullopt;
    return coordinator_.published_.rbegin()->first;
  }
  Result<std::uint64_t> RequestShrink(std::uint64_t, const std::vector<int>&) override {
    const std::lock_guard lock(coordinator_.mutex_);
    if (coordinator_.refuse_shrink) return Error(Code::kAborted, "refused");
    return ++coordinator_.generation;
  }
  void ReportStorageTrouble(const std::string& message) override {
    const std::lock_guard lock(coordinator_.mutex_);
    coordinator_.trouble_ = message;
  }
  void ReportResult(const Status&) override {}

 private:
  LocalCoordinator& coordinator_;
  const int rank_;
};

std::unique_ptr<worker::ControlLink> LocalCoordinator::Connect(int rank) {
  return std::make_unique<LocalControlLink>(*this, rank);
}

void LocalCoordinator::Forget() {
  const std::lock_guard lock(mutex_);
  pending_.clear();
  published_.clear();
  steps_reported_.clear();
}

std::vector<v1::CheckpointManifest> LocalCoordinator::Checkpoints() const {
  const std::lock_guard lock(mutex_);
  std::vector<v1::CheckpointManifest> manifests;
  for (auto at = published_.rbegin(); at != published_.rend(); ++at) manifests.push_back(at->second);
  return manifests;
}

std::vector<std::uint64_t> LocalCoordinator::steps_reported() const {
  const std::lock_guard lock(mutex_);
  return steps_reported_;
}

v1::Progress LocalCoordinator::last_progress() const {
  const std::lock_guard lock(mutex_);
  return last_progress_;
}

std::string LocalCoordinator::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace still::testing
