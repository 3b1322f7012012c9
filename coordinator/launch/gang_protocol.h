// A launch whose ranks compute every step together (teacher, train; also evaluate and export, which share nothing).
//
// Collects the shares of checkpoints, publishes complete ones, and lets the survivors of a death go on when they ask
// for it. A checkpoint that cannot be published waits and is tried again; the training goes on meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "common/clock.h"
#include "coordinator/launch/checkpoint_collector.h"
#include "coordinator/launch/launch_options.h"
#include "coordinator/launch/launch_protocol.h"

namespace still::coordinator {

class GangProtocol : public LaunchProtocol {
 public:
  // All references outlive the protocol.
  GangProtocol(const LaunchOptions& options, LaunchControl& launch, const Clock& clock)
      : options_(options), launch_(launch), clock_(clock) {}

  Status OnMessage(const std::string& peer, const v1::Envelope& envelope) override;
  Status OnTick() override;
  Status Finish() override;
  std::optional<std::uint64_t> published_step() const override { return published_step_; }

 private:
  void OnProgress(const v1::Progress& progress);
  Status OnPartsWritten(const std::string& peer, std::uint32_t rank, const v1::PartsWritten& parts);
  Status OnShrinkRequest(const std::string& peer, std::uint32_t rank, const v1::ShrinkRequest& request);
  Result<std::uint64_t> Shrink(std::uint32_t rank, const v1::ShrinkRequest& request);
  Status Publish();
  void RecordStorageTrouble(const std::string& source, const std::string& trouble);

  const LaunchOptions& options_;
  LaunchControl& launch_;
  const Clock& clock_;
  CheckpointCollector collector_;
  std::map<std::uint32_t, std::string> part_writers_;  // ranks that had a share in a checkpoint, and their peers
  std::optional<std::uint64_t> published_step_;
  std::optional<Clock::TimePoint> publish_tried_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> shrink_answers_;  // by rank and request
  std::map<std::string, std::string> storage_troubles_;                              // by the source of each
};

}  // namespace still::coordinator
