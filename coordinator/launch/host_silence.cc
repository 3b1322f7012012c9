#include "coordinator/launch/host_silence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <utility>

#include "common/host_name.h"

namespace still::coordinator {
namespace {

// Calls of Lost() this far apart mean that this process did not run in between.
constexpr std::chrono::milliseconds kAbsence{1000};

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// Returns "node7" for "node7.cluster".
std::string FirstLabel(const std::string& host) { return host.substr(0, host.find('.')); }

}  // namespace

v1::Death LostHost::AsDeath() const {
  v1::Death death;
  death.set_cause(v1::DEATH_CAUSE_HOST_LOST);
  death.set_host(host);
  death.mutable_ranks()->Add(ranks.begin(), ranks.end());
  if (silent_seconds) death.set_silent_seconds(*silent_seconds);
  return death;
}

HostSilence::HostSilence(HostSilenceLimits limits, cluster::Placement placement)
    : limits_(limits), placement_(std::move(placement)) {
  std::uint32_t rank = 0;
  for (const cluster::HostShare& share : placement_) {
    for (std::uint32_t i = 0; i < share.ranks; ++i) host_of_[rank++] = share.host;
  }
}

void HostSilence::OnHeartbeat(std::uint32_t rank, const std::string& host, Clock::TimePoint now) {
  if (!first_heartbeat_) first_heartbeat_ = now;
  last_heartbeats_[rank] = now;
  if (!host.empty()) host_of_[rank] = PlacementName(host);
}

void HostSilence::OnDeath(std::uint32_t rank, Clock::TimePoint now) {
  OnHeartbeat(rank, "", now);
  reported_dead_.insert(rank);
}

std::string HostSilence::HostOf(std::uint32_t rank) const {
  const auto found = host_of_.find(rank);
  return found == host_of_.end() ? "" : found->second;
}

std::string HostSilence::PlacementName(const std::string& host) const {
  const auto named = [&](const std::string& name) {
    return std::ranges::any_of(placement_, [&](const cluster::HostShare& share) { return share.host == name; });
  };
  if (named(host)) return host;
  for (const cluster::HostShare& share : placement_) {
    if (FirstLabel(share.host) == FirstLabel(host)) return share.host;
  }
  return named("localhost") && host == HostName() ? "localhost" : host;
}

std::map<std::string, HostSilence::Host> HostSilence::Hosts(const std::set<std::uint32_t>& members) const {
  std::map<std::string, Host> hosts;
  if (!first_heartbeat_) return hosts;
  for (const std::uint32_t rank : members) {
    const std::string name = HostOf(rank);
    if (name.empty()) continue;
    const auto found = last_heartbeats_.find(rank);
    Host& host = hosts.try_emplace(name, Host{{}, *first_heartbeat_}).first->second;
    host.ranks.push_back(rank);
    if (found != last_heartbeats_.end()) host.last_heartbeat = std::max(host.last_heartbeat, found->second);
  }
  return hosts;
}

std::optional<LostHost> HostSilence::Lost(const std::set<std::uint32_t>& members, Clock::TimePoint now) {
  if (asked_ && now - *asked_ > kAbsence) present_since_ = now;
  asked_ = now;
  const std::map<std::string, Host> hosts = Hosts(members);
  const bool anybody = std::ranges::any_of(
      hosts, [&](const auto& entry) { return now - entry.second.last_heartbeat <= limits_.others; });
  if (!anybody) return std::nullopt;
  for (const auto& [name, host] : hosts) {
    const std::chrono::nanoseconds silent =
        now - std::max(host.last_heartbeat, present_since_.value_or(host.last_heartbeat));
    if (silent >= limits_.silence && silent > limits_.others) return LostHost{name, host.ranks, Seconds(silent)};
  }
  return std::nullopt;
}

bool HostSilence::EverybodySilent(const std::set<std::uint32_t>& members, Clock::TimePoint now) const {
  if (!first_heartbeat_) return false;
  Clock::TimePoint last = std::max(*first_heartbeat_, present_since_.value_or(*first_heartbeat_));
  for (const auto& [rank, heartbeat] : last_heartbeats_) {
    if (members.contains(rank)) last = std::max(last, heartbeat);
  }
  return now - last >= limits_.everybody;
}

std::optional<LostHost> HostSilence::FoundLost(const std::string& host) const {
  LostHost lost{.host = PlacementName(host)};
  for (const auto& [rank, where] : host_of_) {
    if (where != lost.host) continue;
    if (reported_dead_.contains(rank)) return std::nullopt;
    lost.ranks.push_back(rank);
  }
  if (lost.ranks.empty()) return std::nullopt;
  return lost;
}

}  // namespace still::coordinator
