#include "coordinator/launch/lease_protocol.h"

#include <algorithm>

#include "common/log.h"

namespace still::coordinator {

LeaseProtocol::LeaseProtocol(LaunchState& launch)
    : launch_(launch), work_(launch.options.stage, launch.options.rounds, launch.options.leases) {}

Result<bool> LeaseProtocol::OnMessage(const std::string& peer, const v1::Envelope& envelope) {
  switch (envelope.body_case()) {
    case v1::Envelope::kProgress: OnProgress(envelope.rank(), envelope.progress()); return true;
    case v1::Envelope::kShardDone: OnShardDone(envelope.rank(), envelope.shard_done()); return true;
    case v1::Envelope::kLeaseRequest:
      STILL_RETURN_IF_ERROR(OnLeaseRequest(peer, envelope.rank(), envelope.lease_request().request()));
      return true;
    default: return false;
  }
}

Status LeaseProtocol::OnLeaseRequest(const std::string& peer, std::uint32_t rank, std::uint64_t request) {
  v1::Envelope reply;
  *reply.mutable_lease_grant() = work_.Answer(rank, request, launch_.results.succeeded(), launch_.clock.Now());
  return launch_.Reply(peer, &reply);
}

void LeaseProtocol::OnShardDone(std::uint32_t rank, const v1::ShardDone& done) {
  Status accepted = work_.OnDone(rank, done, launch_.clock.Now());
  if (accepted.ok()) {
    if (!progress_.empty()) ShowProgress();
    return;
  }
  if (accepted.code() == Code::kDataLoss) {
    differing_.emplace_back(done.round(), done.shard());
    const Status set_aside = launch_.options.quarantine(done.round(), done.shard());
    if (!set_aside.ok())
      accepted = Status(accepted.code(), accepted.message() + "; it is not set aside: " + set_aside.message());
  }
  launch_.Fail(accepted.WithContext(launch_.options.stage));
}

void LeaseProtocol::OnProgress(std::uint32_t rank, const v1::Progress& progress) {
  work_.OnProgress(rank, progress, launch_.clock.Now());
  progress_[rank] = progress;
  ShowProgress();
}

// A rank counts what it has done of its own shard. What is shown is the sum over all shards and ranks.
void LeaseProtocol::ShowProgress() {
  v1::Progress shown = progress_.begin()->second;
  shown.set_done(work_.units());
  shown.set_tokens(0);
  shown.clear_values();
  for (const auto& [rank, part] : progress_) {
    shown.set_tokens(shown.tokens() + part.tokens());
    for (const auto& [name, value] : part.values()) (*shown.mutable_values())[name] += value;
  }
  launch_.sightings.Reached(work_.reached());
  launch_.options.on_progress(shown);
}

void LeaseProtocol::OnDeath(std::uint32_t rank) {
  work_.OnDeath(rank);
  if (launch_.options.survivors_go_on && dead_.insert(rank).second) last_death_ = launch_.clock.Now();
}

bool LeaseProtocol::OnHostLost(const LostHost& lost) {
  if (!launch_.options.survivors_go_on) return false;
  for (const std::uint32_t rank : lost.ranks) OnDeath(rank);
  lost_host_ = lost;
  return true;
}

Status LeaseProtocol::Tick(Clock::TimePoint now) {
  if (dead_.empty() || !launch_.options.on_shrink || launch_.Ending() || now - last_death_ < launch_.options.last_words)
    return Ok();
  const std::vector<std::uint32_t> dead(dead_.begin(), dead_.end());
  dead_.clear();
  std::set<std::uint32_t> survivors = launch_.membership.members();
  for (const std::uint32_t rank : dead) survivors.erase(rank);
  if (survivors.empty()) return Ok();  // mpirun ends by itself
  const bool host_among_them = lost_host_ && std::ranges::includes(dead, lost_host_->ranks);
  const bool host_alone = host_among_them && lost_host_->ranks == dead;
  const Result<std::uint64_t> generation =
      launch_.Reconfigure(survivors, dead, host_alone ? lost_host_->AsDeath() : launch_.sightings.DeathOf(dead, {}),
                          host_among_them ? lost_host_->host : "");
  if (!generation.ok()) launch_.Fail(generation.status());
  return Ok();
}

void LeaseProtocol::OnEnd() {
  for (const auto& [round, shard] : differing_) {
    if (const Status set_aside = launch_.options.quarantine(round, shard); !set_aside.ok())
      LogWarn("{}: {}", launch_.options.stage, set_aside.message());
  }
}

}  // namespace still::coordinator
