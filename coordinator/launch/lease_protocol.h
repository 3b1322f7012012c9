// A launch whose ranks compute shards under leases (corpus, targets; see leased_work.h). The ranks are independent, so
// a dead one is left behind without a question and the others finish its shards.
//
// A lost host is a death of its ranks like any other, although Open MPI's mpirun ends a minute later because it lost
// its daemon there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "coordinator/launch/launch_options.h"
#include "coordinator/launch/launch_protocol.h"
#include "coordinator/launch/leased_work.h"

namespace still::coordinator {

class LeaseProtocol : public LaunchProtocol {
 public:
  // All references outlive the protocol. The options have at least one round.
  LeaseProtocol(const LaunchOptions& options, LaunchControl& launch, const Clock& clock)
      : options_(options), launch_(launch), clock_(clock), work_(options.stage, options.rounds, options.leases) {}

  Status OnMessage(const std::string& peer, const v1::Envelope& envelope) override;
  void OnDeath(std::uint32_t rank) override;
  bool OnHostLost(const LostHost& host) override;
  Status OnTick() override;
  // Sets aside once more the shards of which two results are known.
  Status Finish() override;

 private:
  Status OnLeaseRequest(const std::string& peer, std::uint32_t rank, std::uint64_t request);
  void OnProgress(std::uint32_t rank, const v1::Progress& progress);
  void OnShardDone(std::uint32_t rank, const v1::ShardDone& done);
  // Reports the progress of all ranks, in the words of `latest`.
  void ReportSum(v1::Progress latest);
  v1::Death DeathOf(const std::vector<std::uint32_t>& dead);

  const LaunchOptions& options_;
  LaunchControl& launch_;
  const Clock& clock_;
  LeasedWork work_;
  std::map<std::uint32_t, v1::Progress> progress_;                  // the latest of each rank
  std::vector<std::pair<std::uint32_t, std::uint32_t>> differing_;  // round and shard with two different results
  std::set<std::uint32_t> dead_;       // ranks to leave behind once their last messages are in
  Clock::TimePoint last_death_;        // the newest of theirs
  std::optional<LostHost> left_host_;  // the newest whose ranks are among the dead
};

}  // namespace still::coordinator
