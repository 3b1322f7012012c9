#include "coordinator/launch/launch_server.h"

#include <utility>
#include <vector>

#include "common/death_text.h"
#include "common/log.h"
#include "common/storage/files.h"
#include "coordinator/launch/gang_protocol.h"
#include "coordinator/launch/launch_death.h"
#include "coordinator/launch/lease_protocol.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<LaunchProtocol> ProtocolOf(const LaunchOptions& options, LaunchControl& launch, const Clock& clock) {
  if (options.rounds.empty()) return std::make_unique<GangProtocol>(options, launch, clock);
  return std::make_unique<LeaseProtocol>(options, launch, clock);
}

}  // namespace

Result<std::unique_ptr<LaunchServer>> LaunchServer::Bind(LaunchOptions options, const Clock& clock) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> rpc, RpcServer::Bind(options.network.bind, options.network.keys));
  return std::unique_ptr<LaunchServer>(new LaunchServer(std::move(options), clock, std::move(rpc)));
}

LaunchServer::LaunchServer(LaunchOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc)
    : options_(std::move(options)),
      clock_(clock),
      rpc_(std::move(rpc)),
      membership_(options_.generation, options_.ranks),
      results_(options_.stage, options_.survivors_go_on),
      host_silence_(options_.host_silence, options_.placement),
      protocol_(ProtocolOf(options_, *this, clock)),
      generation_since_(clock.Now()) {
  const Result<std::uint64_t> log_size = FileSize(options_.log_path);
  if (log_size.ok()) log_begin_ = *log_size;
}

std::string LaunchServer::endpoint() const {
  const std::string& bound = rpc_->endpoint();
  if (options_.network.advertised_host.empty()) return bound;
  return fmt::format("tcp://{}{}", options_.network.advertised_host, bound.substr(bound.rfind(':')));
}

v1::GenerationEnd LaunchServer::Run(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  const Status served = Serve(job, stops);
  const Status finished = protocol_->Finish();
  for (const Status& failed : {served, finished}) {
    if (!failed.ok()) return EndOf(failed.WithContext(options_.stage));
  }
  return Outcome(*job.Poll());
}

Status LaunchServer::Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  while (!job.Poll()) {
    STILL_RETURN_IF_ERROR(protocol_->OnTick());
    Steer(job, stops);
    STILL_RETURN_IF_ERROR(ServeOne(options_.tick).status());
  }
  return ServeLastWords();
}

void LaunchServer::Steer(cluster::LaunchedJob& job, int stops) {
  const Clock::TimePoint now = clock_.Now();
  if (stops > 0 && !stop_seen_) stop_seen_ = now;
  const bool out_of_patience = stop_seen_ && now - *stop_seen_ >= options_.drain_patience;
  if (!Ending() && (stops > 1 || out_of_patience)) Fail(Error(Code::kCancelled, "{}: interrupted", options_.stage));
  if (std::exchange(end_asked_, false)) {
    terminated_ = true;
    job.Terminate();
  }
  if (Ending() && !ending_since_) ending_since_ = now;
  if (!lost_host_ && !Ending()) FindLostHost(now);
  const bool nobody_left = !Ending() && host_silence_.EverybodySilent(membership_.members(), now);
  // After a death in MPI_Init the other ranks wait there for ever, because MPI_Init survives no death.
  if (lost_at_start_ || lost_host_ || nobody_left) job.Kill();
  if (stops > 1 || (ending_since_ && now - *ending_since_ > EndPatience())) job.Kill();
}

Result<bool> LaunchServer::ServeOne(milliseconds wait) {
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc_->Receive(wait));
  if (!message) return false;
  STILL_RETURN_IF_ERROR(Dispatch(*message));
  return true;
}

// Messages may still be on their way up from the socket. Without a result yet, it is worth waiting for one. A guardian
// may outlive mpirun and go on talking, so the wait has an end.
Status LaunchServer::ServeLastWords() {
  const Clock::TimePoint until = clock_.Now() + 10 * options_.last_words;
  while (clock_.Now() < until) {
    STILL_ASSIGN_OR_RETURN(const bool served, ServeOne(Ending() ? milliseconds(0) : options_.last_words));
    if (!served) break;
  }
  return Ok();
}

Status LaunchServer::Dispatch(const RpcMessage& message) {
  v1::Envelope envelope;
  if (!envelope.ParseFromString(message.payload)) {
    LogWarn("{}: dropped a message of {} bytes that is not an Envelope", options_.stage, message.payload.size());
    return Ok();
  }
  if (!lost_host_ && membership_.Accepts(envelope.generation(), envelope.rank()))
    return OnMessage(message.peer, envelope);
  if (!lost_host_)  // otherwise every rank is fenced, and a line for each of their messages says nothing new
    LogWarn("{}: fenced rank {} of generation {}; this is generation {}", options_.stage, envelope.rank(),
            envelope.generation(), membership_.generation());
  v1::Envelope reply;
  reply.mutable_fenced()->set_current_generation(membership_.generation());
  return Reply(message.peer, &reply);
}

Status LaunchServer::OnMessage(const std::string& peer, const v1::Envelope& envelope) {
  switch (envelope.body_case()) {
    case v1::Envelope::kHeartbeat: return OnHeartbeat(peer, envelope.rank(), envelope.heartbeat());
    case v1::Envelope::kRankKilled: OnRankKilled(envelope.rank(), envelope.rank_killed()); break;
    case v1::Envelope::kStageResult: {
      const v1::StageResult& result = envelope.stage_result();
      results_.OnResult(envelope.rank(), Status(CodeFromWire(result.code()), result.message()));
      break;
    }
    default: return protocol_->OnMessage(peer, envelope);
  }
  return Ok();
}

Status LaunchServer::OnHeartbeat(const std::string& peer, std::uint32_t rank, const v1::Heartbeat& heartbeat) {
  const Clock::TimePoint now = clock_.Now();
  sightings_.OnHeartbeat(rank, {heartbeat.phase(), heartbeat.step()});
  host_silence_.OnHeartbeat(rank, heartbeat.host(), now);
  v1::RankState phase;
  phase.set_rank(rank);
  phase.set_host(heartbeat.host());
  phase.set_phase(heartbeat.phase());
  phase.set_step(heartbeat.step());
  phase.set_phase_seconds(heartbeat.phase_seconds());
  phase.set_pid(heartbeat.pid());
  phase_times_.OnHeartbeat(std::move(phase), now);
  if (!ranks_reported_ || now - *ranks_reported_ >= options_.ranks_interval) {
    ranks_reported_ = now;
    options_.on_ranks(phase_times_);
  }
  v1::Envelope reply;
  reply.mutable_heartbeat_reply()->set_drain(stop_seen_.has_value());
  return Reply(peer, &reply);
}

void LaunchServer::OnRankKilled(std::uint32_t rank, const v1::RankKilled& killed) {
  sightings_.OnKilled(rank, killed.cause(), {killed.phase(), killed.step()});
  host_silence_.OnDeath(rank, clock_.Now());
  lost_at_start_ |= killed.phase() == v1::PHASE_START;
  protocol_->OnDeath(rank);
}

void LaunchServer::FindLostHost(Clock::TimePoint now) {
  std::optional<LostHost> lost = host_silence_.Lost(membership_.members(), now);
  if (lost && !protocol_->OnHostLost(*lost)) lost_host_ = std::move(lost);
}

Result<std::uint64_t> LaunchServer::Reconfigure(const std::set<std::uint32_t>& survivors, const v1::Death& death) {
  if (!options_.on_shrink) return Error(Code::kAborted, "this launch does not go on without a rank");
  v1::GenerationEnd end = EndOf(Status(Code::kUnavailable, DeathText(death)));
  *end.mutable_death() = death;
  end.set_in_place(true);
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, options_.on_shrink(end, survivors.size()));
  for (const std::uint32_t gone : membership_.LeftBehind(survivors)) {
    sightings_.Forget(gone);
    phase_times_.Forget(gone);
  }
  membership_.Shrink(survivors, generation);
  generation_since_ = clock_.Now();
  return generation;
}

void LaunchServer::Fail(const Status& failure) {
  results_.RecordFailure(failure);
  end_asked_ = true;
}

Status LaunchServer::Reply(const std::string& peer, v1::Envelope* envelope) {
  envelope->set_generation(membership_.generation());
  return rpc_->Send(peer, envelope->SerializeAsString());
}

milliseconds LaunchServer::EndPatience() const {
  return membership_.shrunk() && !terminated_ ? options_.drain_shrunk : options_.drain;
}

v1::GenerationEnd LaunchServer::EndOf(const Status& outcome) const {
  v1::GenerationEnd end;
  end.set_generation(membership_.generation());
  end.set_code(CodeOnWire(outcome.code()));
  end.set_why(outcome.message());
  end.set_step(sightings_.step());
  end.set_seconds(SecondsSince(clock_, generation_since_));
  return end;
}

v1::GenerationEnd LaunchServer::Outcome(const cluster::ExitInfo& exit) const {
  if (const std::optional<Status> verdict = results_.Verdict()) {
    const std::optional<std::uint64_t> published = protocol_->published_step();
    if (verdict->code() != Code::kCancelled || terminated_ || !published) return EndOf(*verdict);
    return EndOf(Error(Code::kCancelled, "{}: stopped after step {}, published", options_.stage, *published));
  }
  const LaunchDeath death = ExplainDeath({.stage = options_.stage,
                                          .log_path = options_.log_path,
                                          .log_begin = log_begin_,
                                          .mpirun = exit,
                                          .sightings = sightings_,
                                          .members = membership_.members(),
                                          .lost_host = lost_host_,
                                          .silence = host_silence_,
                                          .gave_up = results_.gave_up()});
  v1::GenerationEnd end =
      stop_seen_ ? EndOf(Error(Code::kCancelled, "{}: interrupted, and {}", options_.stage, DeathText(death.death)))
                 : EndOf(Status(Code::kUnavailable, death.why));
  *end.mutable_death() = death.death;
  return end;
}

}  // namespace still::coordinator
