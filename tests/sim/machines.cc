#include "tests/sim/machines.h"

#include <fmt/format.h>

#include <algorithm>

namespace still::sim {

Machines::Machines(const Scenario& scenario, Verdict* verdict) : verdict_(verdict) {
  for (const auto& host : scenario.hosts) hosts_[host.name()].slots = host.slots();
  for (const auto& [digest, work] : scenario.work) artifacts_[digest].work = work;
}

bool Machines::IsMade(const v1::JobSpec& spec) const {
  const auto found = artifacts_.find(spec.digest());
  return found != artifacts_.end() && found->second.made;
}

void Machines::Occupy(AttemptId attempt, const v1::AgentTask& task) {
  Occupation& occupation = occupied_[attempt];
  occupation.digest = task.spec().digest();
  const auto [maker, alone] = makers_.try_emplace(occupation.digest, attempt);
  if (!alone && maker->second != attempt) {
    verdict_->Broken(fmt::format("job {} attempt {} makes {} while job {} attempt {} does", attempt.first,
                                 attempt.second, occupation.digest, maker->second.first, maker->second.second));
  }
  if (task.attached_ranks() > 0) return;  // their slots are not in the inventory
  std::uint32_t ranks = 0;
  for (const auto& share : task.placement()) {
    const std::uint32_t slots = share.ranks() * task.spec().slots_per_rank();
    ranks += share.ranks();
    SimHost& host = hosts_.at(share.host());
    host.busy += slots;
    busy_ += slots;
    occupation.slots[share.host()] += slots;
    if (host.busy > host.slots) {
      verdict_->Broken(fmt::format("double-booked: processes in {} of the {} slots of {} when job {} attempt {} starts",
                                   host.busy, host.slots, share.host(), attempt.first, attempt.second));
    }
  }
  most_busy_ = std::max(most_busy_, busy_);
  if (ranks == 0 || ranks > task.spec().ranks()) {
    verdict_->Broken(fmt::format("job {} attempt {} runs {} of {} ranks", attempt.first, attempt.second, ranks,
                                 task.spec().ranks()));
  }
}

void Machines::Vacate(AttemptId attempt) {
  const auto found = occupied_.find(attempt);
  if (found == occupied_.end()) return;
  for (const auto& [name, slots] : found->second.slots) {
    hosts_.at(name).busy -= slots;
    busy_ -= slots;
  }
  const auto maker = makers_.find(found->second.digest);
  if (maker != makers_.end() && maker->second == attempt) makers_.erase(maker);
  occupied_.erase(found);
}

void Machines::VacateHost(AttemptId attempt, const std::string& host) {
  const auto found = occupied_.find(attempt);
  if (found == occupied_.end()) return;
  const auto share = found->second.slots.find(host);
  if (share == found->second.slots.end()) return;
  hosts_.at(host).busy -= share->second;
  busy_ -= share->second;
  found->second.slots.erase(share);
}

void Machines::Publish(AttemptId attempt, Artifact* artifact) {
  if (artifact->made) {
    verdict_->Broken(fmt::format("job {} attempt {} made what had been made before", attempt.first, attempt.second));
  }
  artifact->made = true;
}

}  // namespace still::sim
