// Decides changes of hosts: a person drains one, the inventory changes, or a coordinator starts.
#include <fmt/format.h>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

using v1::Host;

constexpr std::string_view kLeft = "no longer in the inventory";

// Adds `host` to the records, or updates its record.
void UpdateHost(Transaction& transaction, const State& state, const Host& host, std::uint64_t used) {
  const auto known = state.hosts().find(host.name());
  if (known != state.hosts().end() && known->second.drain_reason() == kLeft) {
    transaction.EditHost(host.name()).set_drained(false);
    transaction.EditHost(host.name()).clear_drain_reason();
    transaction.RecordHost(host.name(), "coordinator", "back in the inventory");
  }
  if (known != state.hosts().end() && known->second.slots() == host.slots()) return;
  transaction.EditHost(host.name()).set_slots(host.slots());
  transaction.EditHost(host.name()).set_overdrawn(used > host.slots() ? used : 0);
  transaction.RecordHost(host.name(), "coordinator", fmt::format("{} slots", host.slots()));
}

// Removes a host that is no longer in the inventory. While jobs use it, it is drained instead.
void RetireHost(Transaction& transaction, const Host& host, std::uint64_t used) {
  if (used == 0) {
    transaction.Remove(host.name());
    transaction.RecordHost(host.name(), "coordinator", std::string(kLeft));
  } else if (!host.drained()) {
    Host& leaving = transaction.EditHost(host.name());
    leaving.set_drained(true);
    leaving.set_drain_reason(std::string(kLeft));
    transaction.RecordHost(host.name(), "coordinator", leaving.drain_reason());
  }
}

}  // namespace

Result<Changes> JobDecisions::ChangeHost(const State& state, const v1::ChangeHost& change, const std::string& user,
                                         UnixMs now) const {
  if (!state.hosts().contains(change.host())) {
    std::string names;
    for (const auto& [name, host] : state.hosts()) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
    return Error(Code::kNotFound, "there is no host '{}'; the hosts are {}", change.host(), names);
  }
  Transaction transaction(state, now);
  Host& host = transaction.EditHost(change.host());
  host.set_drained(change.drain());
  if (change.drain()) {
    host.set_drain_reason(fmt::format("drained by {}{}{}", user, change.reason().empty() ? "" : ": ", change.reason()));
  } else {
    host.clear_drain_reason();
    host.set_failures(0);
    host.set_blacklisted_until_ms(0);
  }
  transaction.RecordHost(change.host(), user, change.drain() ? host.drain_reason() : "back in service");
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::SetHosts(const State& state, const std::vector<Host>& hosts, UnixMs now) const {
  Transaction transaction(state, now);
  std::map<std::string, std::uint64_t> used = UsedSlots(state);
  std::set<std::string> wanted;
  for (const Host& host : hosts) {
    wanted.insert(host.name());
    UpdateHost(transaction, state, host, used[host.name()]);
  }
  for (const auto& [name, host] : state.hosts()) {
    if (!wanted.contains(name)) RetireHost(transaction, host, used[name]);
  }
  return std::move(transaction).TakeChanges();
}

Changes JobDecisions::OnCoordinatorStart(const State& state, UnixMs now) const {
  std::size_t running = 0;
  for (const std::uint64_t id : state.live()) running += HoldsSlots(state.FindJob(id)->state()) ? 1 : 0;
  Transaction transaction(state, now);
  transaction.RecordCoordinator(
      fmt::format("started; {} of {} jobs that have not ended run", running, state.live().size()));
  return std::move(transaction).TakeChanges();
}

}  // namespace still::coordinator
