// The protocol of leased work: ranks ask for shards, report progress in them, and report them done. Ranks never need
// each other, so the launch leaves a dead rank, or the ranks of a lost host, behind without a question, if survivors
// may continue at all. Two different results of one shard fail the job, and what stands of the shard is set aside. One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/launch/launch_protocol.h"
#include "coordinator/launch/launch_state.h"
#include "coordinator/launch/leased_work.h"

namespace still::coordinator {

class LeaseProtocol final : public LaunchProtocol {
 public:
  // `launch` outlives it.
  explicit LeaseProtocol(LaunchState& launch);

  Result<bool> OnMessage(const std::string& peer, const v1::Envelope& envelope) override;
  void OnDeath(std::uint32_t rank) override;
  bool OnHostLost(const LostHost& lost) override;
  // Leaves dead ranks behind once their last messages had time to arrive: a rank and its guardian use two connections.
  Status Tick(Clock::TimePoint now) override;
  // Sets disputed shards aside again, because ranks may have used them until they ended.
  void OnEnd() override;

 private:
  Status OnLeaseRequest(const std::string& peer, std::uint32_t rank, std::uint64_t request);
  void OnShardDone(std::uint32_t rank, const v1::ShardDone& done);
  void OnProgress(std::uint32_t rank, const v1::Progress& progress);
  void ShowProgress();

  LaunchState& launch_;
  LeasedWork work_;
  std::map<std::uint32_t, v1::Progress> progress_;                  // latest of each rank
  std::vector<std::pair<std::uint32_t, std::uint32_t>> differing_;  // round and shard with two known results
  std::set<std::uint32_t> dead_;                                    // ranks that are still to be left behind
  Clock::TimePoint last_death_;                                     // of those
  std::optional<LostHost> lost_host_;                               // newest whose ranks are among the dead
};

}  // namespace still::coordinator
