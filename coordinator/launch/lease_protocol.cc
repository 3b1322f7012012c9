#include "coordinator/launch/lease_protocol.h"

#include <algorithm>

#include "common/log.h"

namespace still::coordinator {

Status LeaseProtocol::OnMessage(const std::string& peer, const v1::Envelope& envelope) {
  const std::uint32_t rank = envelope.rank();
  switch (envelope.body_case()) {
    case v1::Envelope::kProgress: OnProgress(rank, envelope.progress()); break;
    case v1::Envelope::kLeaseRequest: return OnLeaseRequest(peer, rank, envelope.lease_request().request());
    case v1::Envelope::kShardDone: OnShardDone(rank, envelope.shard_done()); break;
    default:
      LogWarn("{}: dropped a message of rank {} that leased work has no use for", EnumWord(options_.stage), rank);
  }
  return Ok();
}

Status LeaseProtocol::OnLeaseRequest(const std::string& peer, std::uint32_t rank, std::uint64_t request) {
  v1::Envelope reply;
  *reply.mutable_lease_grant() = work_.Answer(rank, request, launch_.succeeded(), clock_.Now());
  return launch_.Reply(peer, &reply);
}

void LeaseProtocol::OnProgress(std::uint32_t rank, const v1::Progress& progress) {
  work_.OnProgress(rank, progress, clock_.Now());
  ReportSum(progress_[rank] = progress);
}

void LeaseProtocol::OnShardDone(std::uint32_t rank, const v1::ShardDone& done) {
  Status taken = work_.OnDone(rank, done, clock_.Now());
  if (taken.ok()) {
    if (!progress_.empty()) ReportSum(progress_.begin()->second);
    return;
  }
  if (taken.code() == Code::kDataLoss) {
    differing_.emplace_back(done.round(), done.shard());
    const Status set_aside = options_.quarantine(done.round(), done.shard());
    if (!set_aside.ok())
      taken = Status(taken.code(), taken.message() + "; it could not be set aside: " + set_aside.message());
  }
  launch_.Fail(taken.WithContext(EnumWord(options_.stage)));
}

// A rank counts what it does of its own shard, so the sums over all ranks are the stage's.
void LeaseProtocol::ReportSum(v1::Progress latest) {
  latest.set_done(work_.units());
  latest.clear_lease();
  latest.clear_signs();
  latest.clear_values();
  std::uint64_t tokens = 0;
  for (const auto& [rank, part] : progress_) {
    tokens += part.tokens();
    for (const auto& [name, value] : part.values()) (*latest.mutable_values())[name] += value;
  }
  latest.set_tokens(tokens);
  launch_.sightings().RecordStep(work_.reached());
  options_.on_progress(latest);
}

void LeaseProtocol::OnDeath(std::uint32_t rank) {
  work_.OnDeath(rank);
  if (options_.survivors_go_on && dead_.insert(rank).second) last_death_ = clock_.Now();
}

bool LeaseProtocol::OnHostLost(const LostHost& host) {
  if (!options_.survivors_go_on) return false;
  for (const std::uint32_t rank : host.ranks) OnDeath(rank);
  left_host_ = host;
  return true;
}

// Leaves the dead behind. A rank's last messages come by another connection than its guardian's, and they count: hence
// the pause after a death.
Status LeaseProtocol::OnTick() {
  if (dead_.empty() || launch_.Ending() || clock_.Now() - last_death_ < options_.last_words) return Ok();
  const std::vector<std::uint32_t> dead(dead_.begin(), dead_.end());
  dead_.clear();
  std::set<std::uint32_t> survivors = launch_.membership().members();
  for (const std::uint32_t rank : dead) survivors.erase(rank);
  if (survivors.empty()) return Ok();  // mpirun ends by itself
  const Result<std::uint64_t> generation = launch_.Reconfigure(survivors, DeathOf(dead));
  if (!generation.ok()) launch_.Fail(generation.status());
  return Ok();
}

v1::Death LeaseProtocol::DeathOf(const std::vector<std::uint32_t>& dead) {
  if (left_host_ && left_host_->ranks == dead) return left_host_->AsDeath();
  v1::Death death = launch_.sightings().DeathOf(dead, {});
  if (left_host_ && std::ranges::includes(dead, left_host_->ranks)) death.set_host(left_host_->host);
  return death;
}

Status LeaseProtocol::Finish() {
  for (const auto& [round, shard] : differing_) {
    if (const Status set_aside = options_.quarantine(round, shard); !set_aside.ok())
      LogWarn("{}: {}", EnumWord(options_.stage), set_aside.message());
  }
  return Ok();
}

}  // namespace still::coordinator
