// Which host of a launch is lost, by who was heard when. One silent rank may hang, and its guardian sees to that; all
// ranks of a host silent at once, guardians included, while others are heard, is the host, or the way to it. When
// nobody is heard, it may be us: no host is lost then, but in the end the launch is. Pure: the caller reads the clock.
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
#include "common/vocabulary.h"

namespace still::coordinator {

struct HostSilenceLimits {
  std::chrono::milliseconds silence{15'000};  // of all ranks of a host
  std::chrono::milliseconds others{2'000};    // within which a rank of another host must have been heard
  // Of all ranks; not less than their orphan_seconds, by which they have ended.
  std::chrono::milliseconds everybody{60'000};
};

struct LostHost {
  std::string host;                      // as the placement calls it
  std::vector<std::uint32_t> ranks;      // that it had
  std::optional<double> silent_seconds;  // nothing: mpirun lost it

  v1::Death AsDeath() const;
};

class HostSilence {
 public:
  // Ranks fill the hosts of `placement` in its order; empty: where they are is known by what they say alone.
  HostSilence(HostSilenceLimits limits, cluster::Placement placement);

  // A heartbeat of `rank`, which says that it runs on `host` (empty: it does not say).
  void Heard(std::uint32_t rank, const std::string& host, Clock::TimePoint now);
  // A guardian's last words about its rank.
  void HeardOfDeath(std::uint32_t rank, Clock::TimePoint now);
  // How the placement calls the host of a rank; empty when nobody knows.
  std::string HostOf(std::uint32_t rank) const;

  // The host that is lost, of those that `members` are on. To be asked often: what was said while nobody asked, for a
  // second or more, may still wait to be heard, so that a silence counts from there on.
  std::optional<LostHost> Lost(const std::set<std::uint32_t>& members, Clock::TimePoint now);
  // Whether there is nobody left to hear, after somebody was: an mpirun that still runs hangs (Open MPI 4's does when
  // it loses a host). To be asked after Lost.
  bool EverybodySilent(const std::set<std::uint32_t>& members, Clock::TimePoint now) const;
  // A host that somebody else found lost, mpirun, with all ranks that were launched there: others may have gone on
  // without them in the moment before. Nothing when one of its guardians lived to tell of its rank's death, so that the
  // host lives.
  std::optional<LostHost> FoundLost(const std::string& host) const;

 private:
  struct Host {
    std::vector<std::uint32_t> ranks;
    Clock::TimePoint heard;  // the last of its ranks; of none: the first of anybody
  };
  std::map<std::string, Host> Hosts(const std::set<std::uint32_t>& members) const;
  std::string PlacementName(const std::string& host) const;

  const HostSilenceLimits limits_;
  const cluster::Placement placement_;
  std::map<std::uint32_t, std::string> host_of_;  // by the placement, then by what they say
  std::map<std::uint32_t, Clock::TimePoint> heard_;
  std::set<std::uint32_t> told_dead_;
  std::optional<Clock::TimePoint> first_heard_;
  std::optional<Clock::TimePoint> asked_;
  std::optional<Clock::TimePoint> present_since_;
};

}  // namespace still::coordinator
