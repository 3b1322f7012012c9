#include "coordinator/launch/launch_server.h"

#include <utility>

#include "common/log.h"
#include "common/storage/files.h"
#include "coordinator/launch/gang_protocol.h"
#include "coordinator/launch/launch_death.h"
#include "coordinator/launch/lease_protocol.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<LaunchProtocol> ProtocolOf(LaunchState& launch) {
  if (launch.options.rounds.empty()) return std::make_unique<GangProtocol>(launch);
  return std::make_unique<LeaseProtocol>(launch);
}

}  // namespace

Result<std::unique_ptr<LaunchServer>> LaunchServer::Bind(LaunchOptions options, const Clock& clock) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> rpc, RpcServer::Bind(options.network.bind, options.network.keys));
  return std::unique_ptr<LaunchServer>(new LaunchServer(std::move(options), clock, std::move(rpc)));
}

LaunchServer::LaunchServer(LaunchOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc)
    : clock_(clock),
      rpc_(std::move(rpc)),
      launch_(std::move(options), clock, *rpc_),
      protocol_(ProtocolOf(launch_)),
      host_silence_(launch_.options.host_silence, launch_.options.placement) {
  const Result<std::uint64_t> log_size = FileSize(launch_.options.log_path);
  if (log_size.ok()) log_begin_ = *log_size;
}

std::string LaunchServer::endpoint() const {
  const std::string& bound = rpc_->endpoint();
  const std::string& host = launch_.options.network.advertised_host;
  return host.empty() ? bound : fmt::format("tcp://{}{}", host, bound.substr(bound.rfind(':')));
}

GenerationEnd LaunchServer::Run(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  const Status served = Serve(job, stops);
  protocol_->OnEnd();
  if (!served.ok()) return launch_.EndOf(served.WithContext(launch_.options.stage));
  return Outcome(*job.Poll());
}

Status LaunchServer::Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  while (!job.Poll()) {
    STILL_RETURN_IF_ERROR(protocol_->Tick(clock_.Now()));
    Steer(job, stops);
    STILL_RETURN_IF_ERROR(ServeOne(launch_.options.tick).status());
  }
  return ServeLastWords();
}

void LaunchServer::Steer(cluster::LaunchedJob& job, int stops) {
  const Clock::TimePoint now = clock_.Now();
  if (stops > 0 && !stop_seen_) stop_seen_ = now;
  const bool out_of_patience = stop_seen_ && now - *stop_seen_ >= launch_.options.drain_patience;
  if (!launch_.Ending() && (stops > 1 || out_of_patience))
    launch_.Fail(Error(Code::kCancelled, "{}: interrupted", launch_.options.stage));
  if (std::exchange(launch_.end_requested, false)) {
    terminated_ = true;
    job.Terminate();
  }
  if (launch_.Ending() && !ending_since_) ending_since_ = now;
  if (!lost_host_ && !launch_.Ending()) {
    std::optional<LostHost> lost = host_silence_.Lost(launch_.membership.members(), now);
    if (lost && !protocol_->OnHostLost(*lost)) lost_host_ = std::move(lost);
  }
  const bool nobody_left = !launch_.Ending() && host_silence_.EverybodySilent(launch_.membership.members(), now);
  // A rank was lost at the start. Where deaths are survived, the others wait for it in MPI_Init, which notices no
  // death.
  if (lost_at_start_ || lost_host_ || nobody_left) job.Kill();
  if (stops > 1 || (ending_since_ && now - *ending_since_ > EndPatience())) job.Kill();
}

Result<bool> LaunchServer::ServeOne(milliseconds wait) {
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc_->Receive(wait));
  if (!message) return false;
  STILL_RETURN_IF_ERROR(OnMessage(*message));
  return true;
}

// Messages may still be on their way up from the socket. Without a result yet, it is worth waiting for one.
Status LaunchServer::ServeLastWords() {
  const milliseconds last_words = launch_.options.last_words;
  const Clock::TimePoint until = clock_.Now() + 10 * last_words;  // a guardian may outlive mpirun and keep talking
  while (clock_.Now() < until) {
    STILL_ASSIGN_OR_RETURN(const bool served, ServeOne(launch_.Ending() ? milliseconds(0) : last_words));
    if (!served) break;
  }
  return protocol_->Flush();
}

Status LaunchServer::OnMessage(const RpcMessage& message) {
  const std::string& stage = launch_.options.stage;
  v1::Envelope envelope;
  if (!envelope.ParseFromString(message.payload)) {
    LogWarn("{}: dropped a message of {} bytes that is not an Envelope", stage, message.payload.size());
    return Ok();
  }
  if (!lost_host_ && launch_.membership.Accepts(envelope.generation(), envelope.rank()))
    return OnMemberMessage(message.peer, envelope);
  if (!lost_host_)  // after the loss of a host every rank is fenced
    LogWarn("{}: fenced rank {} of generation {}; this is generation {}", stage, envelope.rank(), envelope.generation(),
            launch_.membership.generation());
  v1::Envelope reply;
  reply.mutable_fenced()->set_current_generation(launch_.membership.generation());
  return launch_.Reply(message.peer, &reply);
}

Status LaunchServer::OnMemberMessage(const std::string& peer, const v1::Envelope& envelope) {
  const std::uint32_t rank = envelope.rank();
  switch (envelope.body_case()) {
    case v1::Envelope::kHeartbeat: return OnHeartbeat(peer, rank, envelope.heartbeat());
    case v1::Envelope::kRankKilled: OnRankKilled(rank, envelope.rank_killed()); return Ok();
    case v1::Envelope::kStorageTrouble:
      launch_.RecordStorageTrouble(RankSource(rank), envelope.storage_trouble().message());
      return Ok();
    case v1::Envelope::kStageResult: {
      const v1::StageResult& result = envelope.stage_result();
      launch_.results.OnResult(rank, Status(CodeFromWire(result.code()), result.message()));
      return Ok();
    }
    default: break;
  }
  STILL_ASSIGN_OR_RETURN(const bool known, protocol_->OnMessage(peer, envelope));
  if (!known) LogWarn("{}: rank {} sent a message that does not belong to its stage", launch_.options.stage, rank);
  return Ok();
}

Status LaunchServer::OnHeartbeat(const std::string& peer, std::uint32_t rank, const v1::Heartbeat& heartbeat) {
  const Clock::TimePoint now = clock_.Now();
  launch_.sightings.Seen(rank, {heartbeat.phase(), heartbeat.step()});
  host_silence_.Heard(rank, heartbeat.host(), now);
  launch_.phase_times.OnHeartbeat(rank, heartbeat, now);
  if (!ranks_reported_ || now - *ranks_reported_ >= launch_.options.ranks_interval) {
    ranks_reported_ = now;
    launch_.options.on_ranks(launch_.phase_times);
  }
  v1::Envelope reply;
  reply.mutable_heartbeat_reply()->set_drain(stop_seen_.has_value());
  return launch_.Reply(peer, &reply);
}

void LaunchServer::OnRankKilled(std::uint32_t rank, const v1::RankKilled& killed) {
  launch_.sightings.Killed(rank, killed.cause(), {killed.phase(), killed.step()});
  host_silence_.HeardOfDeath(rank, clock_.Now());
  lost_at_start_ |= killed.phase() == v1::PHASE_START;
  protocol_->OnDeath(rank);
}

milliseconds LaunchServer::EndPatience() const {
  return launch_.membership.shrunk() && !terminated_ ? launch_.options.drain_shrunk : launch_.options.drain;
}

GenerationEnd LaunchServer::Outcome(const cluster::ExitInfo& exit) const {
  const std::string& stage = launch_.options.stage;
  if (const std::optional<Status> verdict = launch_.results.Verdict()) {
    const std::optional<std::uint64_t> published = protocol_->PublishedStep();
    if (verdict->code() != Code::kCancelled || terminated_ || !published) return launch_.EndOf(*verdict);
    return launch_.EndOf(Error(Code::kCancelled, "{}: stopped after step {}, published", stage, *published));
  }
  const LaunchDeath death = ExplainDeath({.stage = stage,
                                          .log_path = launch_.options.log_path,
                                          .log_begin = log_begin_,
                                          .mpirun = exit,
                                          .sightings = launch_.sightings,
                                          .members = launch_.membership.members(),
                                          .lost_host = lost_host_,
                                          .silence = host_silence_,
                                          .gave_up = launch_.results.gave_up()});
  GenerationEnd end = launch_.EndOf(Status(Code::kUnavailable, death.why));
  end.death = death.death;
  end.lost_host = death.lost_host;
  if (stop_seen_) {
    end.code = Code::kCancelled;
    end.why = fmt::format("{}: interrupted, and {}", stage, DeathText(death.death));
  }
  return end;
}

}  // namespace still::coordinator
