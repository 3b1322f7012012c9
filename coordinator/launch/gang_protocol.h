// The protocol of a gang: rank 0 reports progress for all, ranks report their shares of checkpoints, and survivors of a
// death ask whether they may continue. A checkpoint is published, and so becomes durable for the job, once every rank
// has reported its share (checkpoint_collector.h, checkpoint_publisher.h). One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "coordinator/launch/checkpoint_collector.h"
#include "coordinator/launch/launch_protocol.h"
#include "coordinator/launch/launch_state.h"

namespace still::coordinator {

class GangProtocol final : public LaunchProtocol {
 public:
  // `launch` outlives it.
  explicit GangProtocol(LaunchState& launch) : launch_(launch) {}

  Result<bool> OnMessage(const std::string& peer, const v1::Envelope& envelope) override;
  // Publishes checkpoints that wait for the journal. Tries again once per `publish_retry`.
  Status Tick(Clock::TimePoint now) override;
  Status Flush() override;
  std::optional<std::uint64_t> PublishedStep() const override { return published_step_; }

 private:
  void OnProgress(const v1::Progress& progress);
  Status OnPartsWritten(const std::string& peer, std::uint32_t rank, const v1::PartsWritten& parts);
  Status OnShrinkRequest(const std::string& peer, std::uint32_t rank, const v1::ShrinkRequest& request);
  Result<std::uint64_t> Shrink(std::uint32_t rank, const v1::ShrinkRequest& request);
  Status Publish();

  LaunchState& launch_;
  CheckpointCollector collector_;
  std::map<std::uint32_t, std::string> part_writers_;  // ranks with a share in a checkpoint, and their connection
  std::optional<std::uint64_t> published_step_;
  std::optional<Clock::TimePoint> publish_tried_;
};

}  // namespace still::coordinator
