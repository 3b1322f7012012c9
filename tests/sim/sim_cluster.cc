#include "tests/sim/sim_cluster.h"

#include <utility>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/digest.h"
#include "common/enum_words.h"
#include "common/rpc/protocol.h"
#include "coordinator/jobs/names.h"
#include "tests/sim/sim_daemon.h"

namespace still::sim {
namespace {

using v1::ChangeJobs;
using v1::ClientReply;
using v1::ClientRequest;

constexpr UnixMs kStart = 1'700'000'000'000;
constexpr std::int64_t kAskAgainMs = 3'000;
constexpr std::int64_t kLookAtRestMs = 10'000;
constexpr UnixMs kProbeMs = 7'000;  // how long an answer about an artifact stays the same

Code CodeOf(const ClientReply& reply) { return CodeFromWire(reply.code()); }

// Returns a time in which all work could be done one after the other, with all pauses and timeouts.
std::int64_t LongestRest(const Scenario& scenario) {
  std::int64_t work = 0;
  for (const auto& [digest, job] : scenario.work) work += static_cast<std::int64_t>(job.steps) * job.step_ms;
  return 2 * work + static_cast<std::int64_t>(scenario.jobs) * 60'000 + 7'200'000;
}

}  // namespace

SimCluster::SimCluster(const Scenario& scenario, Mutation mutation, bool traced)
    : scenario_(scenario),
      queue_(kStart),
      verdict_(&queue_, traced),
      dice_(MixKey({scenario.seed, 2})),
      weather_(scenario.weather),
      decisions_(mutation.decisions.value_or(scenario.decisions)),
      judge_(scenario.decisions),
      machines_(scenario, &verdict_),
      checker_(
          &judge_, scenario, &machines_, [this](const auto& spec) { return Probe(spec); }, &verdict_) {
  if (scenario.daemon && !mutation.decide && !mutation.replay && !mutation.decisions && !mutation.guesses) {
    coordinator_ = std::make_unique<SimDaemon>(MixKey({scenario.seed, 3}), Surroundings());
  } else {
    coordinator_ =
        std::make_unique<SimCoordinator>(&decisions_, std::move(mutation), MixKey({scenario.seed, 3}), Surroundings());
  }
}

ShellSurroundings SimCluster::Surroundings() {
  return {.queue = &queue_,
          .verdict = &verdict_,
          .checker = &checker_,
          .scenario = &scenario_,
          .weather = &weather_,
          .disk_full = &disk_full_,
          .fill_disk = [this] { FillDisk(); },
          .probe = [this](const auto& spec) { return Probe(spec); },
          .directory_of = [this](AttemptId id) -> std::optional<AttemptDirectory> {
            const auto agent = agents_.find(id);
            if (agent == agents_.end()) return std::nullopt;
            return AttemptDirectory{agent->second->locked(), agent->second->outcome_file()};
          },
          .inventory = [this] { return Inventory(); },
          .start_agent = [this](const auto& task) { StartAgent(task); },
          .answer_agent = [this](AttemptId id, const auto& orders) { SendOrders(id, orders); },
          .answer_client = [this](const ClientReply& reply) { Send([this, reply] { Answered(reply); }); }};
}

// Depends on the clock alone: all who ask at one instant get the same answer.
coordinator::ArtifactProbe SimCluster::Probe(const v1::JobSpec& spec) const {
  if (weather_.unanswered > 0) {
    const std::uint64_t asked_for = Crc32c(AsBytes(coordinator::ArtifactPath(spec)));
    const UnixMs since = queue_.now() / kProbeMs * kProbeMs;
    Dice dice(MixKey({scenario_.seed, 4, asked_for, static_cast<std::uint64_t>(since)}));
    if (dice.Chance(weather_.unanswered)) return coordinator::ArtifactProbe::Unknown(queue_.now() - since);
  }
  return machines_.IsMade(spec);
}

RunResult SimCluster::Run() {
  ReturnCoordinator();
  PlanPeople();
  PlanFaults();
  queue_.After(scenario_.safety_ms, [this] { Heal(); });
  const UnixMs end = kStart + scenario_.safety_ms + LongestRest(scenario_);
  UnixMs next_check = kStart + scenario_.safety_ms + kLookAtRestMs;
  while (verdict_.ok() && queue_.RunNext()) {
    if (queue_.now() < next_check) continue;
    next_check += kLookAtRestMs;
    if (AtRest()) break;
    Tidy();
    if (queue_.now() < end) continue;
    const auto& live = checker_.state().live();
    verdict_.Broken(fmt::format("{} jobs have not ended, {} attempts have processes, {} requests have no answer; {}",
                                live.size(), machines_.attempts_with_processes(), asked_.size(),
                                live.empty() ? "" : checker_.state().FindJob(*live.begin())->ShortDebugString()));
  }
  checker_.Whole();
  checker_.Recovered(coordinator_->OnDisk());

  RunResult result;
  result.broken = verdict_.broken();
  result.last.assign(verdict_.last().begin(), verdict_.last().end());
  result.events = queue_.ran();
  result.crashes = coordinator_->crashes();
  result.attempts = agents_.size();
  result.most_busy = machines_.most_busy();
  result.causes = checker_.causes();
  result.checksum = coordinator_->JournalChecksum();
  return result;
}

void SimCluster::PlanPeople() {
  for (const PlannedSubmit& planned : scenario_.submits) queue_.After(planned.at_ms, [&, this] { Submit(planned); });
  for (const PlannedAct& act : scenario_.acts) queue_.After(act.at_ms, [&, this] { Act(act); });
}

void SimCluster::PlanFaults() {
  Often(weather_.host_crash_ms, [this] { CrashHost(); });
  Often(weather_.host_cut_ms, [this] { CutHost(); });
  Often(weather_.agent_crash_ms, [this] { CrashAgent(); });
  Often(weather_.agent_cut_ms, [this] { CutAgent(); });
  Often(weather_.coordinator_crash_ms, [this] { CrashCoordinator(); });
  Often(weather_.disk_full_ms, [this] { FillDisk(); });
  // The scenario planned no crash in this commit. The coordinator is started again all the same.
  Often(20'000, [this] { ReturnCoordinator(); });
}

void SimCluster::Often(std::int64_t mean_ms, std::function<void()> strike) {
  if (mean_ms == 0) return;
  queue_.After(dice_.Between(mean_ms / 2, mean_ms * 3 / 2), [this, mean_ms, strike = std::move(strike)] {
    if (healed_) return;
    strike();
    Often(mean_ms, strike);
  });
}

void SimCluster::CrashHost() {
  auto host = std::next(machines_.hosts().begin(), static_cast<std::ptrdiff_t>(dice_.Index(machines_.hosts().size())));
  if (!host->second.up) return;
  verdict_.Trace("host {} crashes", host->first);
  host->second.up = false;
  for (const auto& [id, agent] : living_)
    if (agent->UsesHost(host->first)) agent->LoseHost(host->first, /*dead=*/true);
  queue_.After(dice_.Between(5'000, 200'000), [host] { host->second.up = true; });
}

void SimCluster::CutHost() {
  auto host = std::next(machines_.hosts().begin(), static_cast<std::ptrdiff_t>(dice_.Index(machines_.hosts().size())));
  if (!host->second.reachable()) return;
  verdict_.Trace("host {} is cut off", host->first);
  host->second.cut = true;
  for (const auto& [id, agent] : living_)
    if (agent->UsesHost(host->first)) agent->LoseHost(host->first, /*dead=*/false);
  queue_.After(dice_.Between(1'000, 60'000), [host] { host->second.cut = false; });
}

void SimCluster::CrashAgent() {
  if (living_.empty()) return;
  SimAgent* const agent = std::next(living_.begin(), static_cast<std::ptrdiff_t>(dice_.Index(living_.size())))->second;
  verdict_.Trace("agent {}.{} crashes", agent->id().first, agent->id().second);
  agent->Crash();
}

void SimCluster::CutAgent() {
  if (living_.empty()) return;
  const AttemptId id = std::next(living_.begin(), static_cast<std::ptrdiff_t>(dice_.Index(living_.size())))->first;
  const std::int64_t side = dice_.Between(0, 2);
  verdict_.Trace("agent {}.{} is {}", id.first, id.second, side == 0 ? "mute" : side == 1 ? "deaf" : "cut off");
  if (side != 1) mute_.insert(id);
  if (side != 0) deaf_.insert(id);
  queue_.After(dice_.Between(1'000, 120'000), [this, id] {
    mute_.erase(id);
    deaf_.erase(id);
  });
}

void SimCluster::CrashCoordinator() {
  coordinator_->Crash();
  queue_.After(dice_.Between(100, 60'000), [this] { ReturnCoordinator(); });
}

void SimCluster::FillDisk() {
  verdict_.Trace("the journal's disk is full");
  disk_full_ = true;
  queue_.After(dice_.Between(1'000, 60'000), [this] { disk_full_ = false; });
}

void SimCluster::ReturnCoordinator() {
  if (!coordinator_->up()) coordinator_->Start();
}

// Returns all hosts most of the time. Otherwise some are left out or have half of their slots.
std::vector<v1::Host> SimCluster::Inventory() {
  std::vector<v1::Host> hosts = scenario_.hosts;
  if (!dice_.Chance(weather_.inventory_change)) return hosts;
  for (auto& host : hosts)
    if (dice_.Chance(0.2)) host.set_slots(host.slots() / 2 + 1);
  if (dice_.Chance(0.5)) std::erase_if(hosts, [this](const auto&) { return dice_.Chance(0.2); });
  if (hosts.empty()) hosts.push_back(scenario_.hosts.front());
  return hosts;
}

void SimCluster::Heal() {
  verdict_.Trace("the weather is fine from here on");
  healed_ = true;
  weather_ = {};
  disk_full_ = false;
  mute_.clear();
  deaf_.clear();
  for (auto& [name, host] : machines_.hosts()) {
    host.up = true;
    host.cut = false;
  }
  // A coordinator with another inventory must be started again to see the whole one. Others continue as they are.
  if (scenario_.weather.inventory_change > 0) coordinator_->Crash();
  ReturnCoordinator();
  for (const auto& [name, host] : machines_.hosts()) Drain(name, false);
}

void SimCluster::Tidy() {
  // A message from the time of bad weather, such as a drain or a hold, may still come late.
  for (const auto& [name, host] : checker_.state().hosts())
    if (host.drained()) Drain(name, false);
  for (const std::uint64_t id : checker_.state().live()) {
    const auto* const job = checker_.state().FindJob(id);
    const bool waits_for_mpirun = job->attached() && !coordinator::HoldsSlots(job->state());
    if (job->state() != v1::JOB_HELD && !waits_for_mpirun) continue;
    ClientRequest request;
    request.mutable_change()->set_verb(v1::JOB_VERB_RELEASE);
    request.mutable_change()->add_jobs(id);
    Ask(std::move(request), [](const ClientReply&) {});
  }
}

bool SimCluster::AtRest() const {
  return checker_.state().live().empty() && asked_.empty() && living_.empty() &&
         machines_.attempts_with_processes() == 0;
}

void SimCluster::Send(std::function<void()> deliver) {
  if (dice_.Chance(weather_.loss)) return;
  const auto delay = [this] { return dice_.Chance(weather_.late) ? dice_.Between(100, 30'000) : dice_.Between(1, 50); };
  if (dice_.Chance(weather_.duplicate)) queue_.After(delay(), deliver);
  queue_.After(delay(), std::move(deliver));
}

void SimCluster::SendReport(const v1::AgentReport& report) {
  const AttemptId id(report.job(), report.attempt());
  if (mute_.contains(id)) return;
  Send([this, id, report] {
    if (!mute_.contains(id)) coordinator_->OnReport(report);
  });
}

void SimCluster::SendOrders(AttemptId attempt, const v1::AgentOrders& orders) {
  if (deaf_.contains(attempt)) return;
  Send([this, attempt, orders] {
    const auto agent = living_.find(attempt);
    if (agent != living_.end() && !deaf_.contains(attempt)) agent->second->OnOrders(orders);
  });
}

void SimCluster::Ask(ClientRequest request, Reply reply) {
  const std::uint64_t number = next_request_++;
  request.set_request(number);
  request.set_user("alice");
  request.set_protocol(kProtocol);
  asked_[number] = {std::move(request), std::move(reply)};
  AskAgain(number);
}

void SimCluster::AskAgain(std::uint64_t number) {
  const auto asked = asked_.find(number);
  if (asked == asked_.end()) return;
  Send([this, request = asked->second.first] { coordinator_->OnRequest(request); });
  queue_.After(kAskAgainMs, [this, number] { AskAgain(number); });
}

void SimCluster::Answered(const ClientReply& reply) {
  const auto waiting = asked_.find(reply.request());
  if (waiting == asked_.end() || CodeOf(reply) == Code::kResourceExhausted) return;
  // Missing hosts come back, so submissions that are too large for the others are sent again.
  const ClientRequest& request = waiting->second.first;
  if (scenario_.weather.inventory_change > 0 && CodeOf(reply) == Code::kInvalidArgument && request.has_submit() &&
      request.submit().name() != kBadName)
    return;
  const Reply then = std::move(waiting->second.second);
  asked_.erase(waiting);
  then(reply);
}

void SimCluster::Submit(const PlannedSubmit& planned) {
  ClientRequest request;
  *request.mutable_submit() = planned.submit;
  Ask(std::move(request), [this, &planned](const ClientReply& reply) {
    if (!planned.valid) {
      if (CodeOf(reply) != Code::kInvalidArgument)
        verdict_.Broken(fmt::format("{} should have been refused, not: {}", planned.submit.key(), reply.message()));
      return;
    }
    if (CodeOf(reply) != Code::kOk)
      return verdict_.Broken(fmt::format("{} was refused: {}", planned.submit.key(), reply.message()));
    const std::vector<std::uint64_t> jobs(reply.jobs().begin(), reply.jobs().end());
    if (jobs.size() != static_cast<std::size_t>(planned.submit.jobs_size()))
      verdict_.Broken(fmt::format("{} was answered with {} jobs", planned.submit.key(), jobs.size()));
    checker_.Acknowledged(planned.submit.key(), reply.pipeline(), jobs);
  });
}

void SimCluster::Act(const PlannedAct& act) {
  Dice dice(act.dice);
  if (act.drain) {
    const std::string& host = scenario_.hosts[dice.Index(scenario_.hosts.size())].name();
    Drain(host, true);
    queue_.After(dice.Between(20'000, 120'000), [this, &host] { Drain(host, false); });
    return;
  }
  const auto& state = checker_.state();
  if (state.jobs().empty()) return;
  ClientRequest request;
  const std::uint64_t job = 1 + dice.Index(state.jobs().size());
  if (act.attach) {
    request.mutable_attach()->set_job(std::to_string(job));
    request.mutable_attach()->set_launch(fmt::format("launch-{}", act.dice));
    request.mutable_attach()->set_ranks(static_cast<std::uint32_t>(dice.Between(1, 8)));
    return Ask(std::move(request), [](const ClientReply&) {});
  }
  ChangeJobs& change = *request.mutable_change();
  change.set_verb(act.verb);
  if (dice.Chance(0.1)) {
    change.set_pipeline(state.FindJob(job)->pipeline());
  } else {
    change.add_jobs(job);
  }
  change.set_priority(static_cast<std::int32_t>(dice.Between(0, 400)));
  Ask(std::move(request), [](const ClientReply&) {});
}

void SimCluster::Drain(const std::string& host, bool drain) {
  ClientRequest request;
  request.mutable_change_host()->set_host(host);
  request.mutable_change_host()->set_drain(drain);
  Ask(std::move(request), [](const ClientReply&) {});
}

void SimCluster::StartAgent(const v1::AgentTask& task) {
  const AttemptId id(task.job(), task.attempt());
  auto& agent = agents_[id];
  if (agent != nullptr) return verdict_.Broken(fmt::format("attempt {}.{} is started twice", id.first, id.second));
  agent = std::make_unique<SimAgent>(task, dice_.Key(),
                                     SimAgent::Around{.queue = &queue_,
                                                      .machines = &machines_,
                                                      .verdict = &verdict_,
                                                      .weather = &weather_,
                                                      .report_ms = scenario_.report_ms,
                                                      .send = [this](const auto& report) { SendReport(report); },
                                                      .gone = [this, id] { living_.erase(id); }});
  living_[id] = agent.get();
}

RunResult RunScenario(const Scenario& scenario, const Mutation& mutation, bool traced) {
  return SimCluster(scenario, mutation, traced).Run();
}

}  // namespace still::sim
