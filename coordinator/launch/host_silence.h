// Finds the host of a launch that is lost, by the heartbeats of its ranks. Pure: the caller reads the clock. One
// thread.
//
// One silent rank may hang, and its guardian sees to that. When all ranks of a host are silent at once, guardians
// included, while other hosts send heartbeats, then the host is lost, or the network to it. When no host sends any, the
// fault may be on this machine: no host counts as lost then, but in the end the launch does.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/clock.h"
#include "common/enum_words.h"

namespace still::coordinator {

struct HostSilenceLimits {
  // A host is lost when all of its ranks sent no heartbeat for `silence` and a rank of another host sent one within
  // `others`. A run sets `silence` from recovery.host_seconds, whose default is in common/config/pipeline_config.cc.
  std::chrono::milliseconds silence{15'000};
  std::chrono::milliseconds others{2'000};
  // A launch is lost when all ranks were silent for so long. It is at least recovery.orphan_seconds, after which ranks
  // without a coordinator end themselves.
  std::chrono::milliseconds everybody{60'000};
};

struct LostHost {
  std::string host;                      // as the placement calls it
  std::vector<std::uint32_t> ranks;      // the ranks that ran there
  std::optional<double> silent_seconds;  // nothing: mpirun lost contact with it

  // Returns the loss as the death of its ranks.
  v1::Death AsDeath() const;
};

class HostSilence {
 public:
  // Ranks fill the hosts of `placement` in its order. When it is empty, only heartbeats tell where ranks are.
  HostSilence(HostSilenceLimits limits, cluster::Placement placement);

  // Records a heartbeat of `rank`, which names the host it runs on. An empty name says nothing.
  void OnHeartbeat(std::uint32_t rank, const std::string& host, Clock::TimePoint now);
  // Records that a guardian reported the death of its rank.
  void OnDeath(std::uint32_t rank, Clock::TimePoint now);
  // Returns the placement's name for the host of a rank, or an empty name when it is not known.
  std::string HostOf(std::uint32_t rank) const;

  // Returns the host that is lost, among those that `members` are on. Call it several times per second. After a pause
  // of a second or more, heartbeats may still wait to be read, so a silence counts only from the end of the pause.
  std::optional<LostHost> Lost(const std::set<std::uint32_t>& members, Clock::TimePoint now);
  // Returns whether all members have fallen silent after one sent a heartbeat. An mpirun that still runs then hangs, as
  // Open MPI 4's does when it loses a host. Call it after Lost.
  bool EverybodySilent(const std::set<std::uint32_t>& members, Clock::TimePoint now) const;
  // Returns a host that mpirun found lost, with all ranks that were launched there, even if others went on without them
  // a moment before. Returns nothing when one of its guardians reported a death, because the host lives then.
  std::optional<LostHost> FoundLost(const std::string& host) const;

 private:
  struct Host {
    std::vector<std::uint32_t> ranks;
    Clock::TimePoint last_heartbeat;  // the newest heartbeat of its ranks; without any, the first one of the launch
  };
  std::map<std::string, Host> Hosts(const std::set<std::uint32_t>& members) const;
  std::string PlacementName(const std::string& host) const;

  const HostSilenceLimits limits_;
  const cluster::Placement placement_;
  std::map<std::uint32_t, std::string> host_of_;  // by the placement at first, then by heartbeats
  std::map<std::uint32_t, Clock::TimePoint> last_heartbeats_;
  std::set<std::uint32_t> reported_dead_;
  std::optional<Clock::TimePoint> first_heartbeat_;
  std::optional<Clock::TimePoint> asked_;
  std::optional<Clock::TimePoint> present_since_;
};

}  // namespace still::coordinator
