#include "coordinator/launch/stage_server.h"

#include <algorithm>
#include <string_view>

#include "common/death_text.h"
#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "common/vocabulary.h"
#include "coordinator/launch/launch_death.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using stillhouse::v1::Envelope;

std::string RankSource(std::uint32_t rank) { return fmt::format("rank {}", rank); }

// Of a text for people.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Result<std::unique_ptr<StageServer>> StageServer::Bind(StageServerOptions options, const Clock& clock) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> rpc, RpcServer::Bind(options.network.bind, options.network.keys));
  return std::unique_ptr<StageServer>(new StageServer(std::move(options), clock, std::move(rpc)));
}

StageServer::StageServer(StageServerOptions options, const Clock& clock, std::unique_ptr<RpcServer> rpc)
    : options_(std::move(options)),
      clock_(clock),
      rpc_(std::move(rpc)),
      work_(options_.stage, options_.rounds, options_.leases),
      membership_(options_.generation, options_.ranks),
      results_(options_.stage, options_.survivors_go_on),
      host_silence_(options_.host_silence, options_.placement),
      generation_since_(clock.Now()) {
  const Result<std::uint64_t> log_size = FileSize(options_.log_path);
  if (log_size.ok()) log_begin_ = *log_size;
}

std::string StageServer::endpoint() const {
  const std::string& bound = rpc_->endpoint();
  if (options_.network.advertised_host.empty()) return bound;
  return fmt::format("tcp://{}{}", options_.network.advertised_host, bound.substr(bound.rfind(':')));
}

GenerationEnd StageServer::Run(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  const Status served = Serve(job, stops);
  for (const auto& [round, shard] : differing_) {
    if (const Status set_aside = options_.quarantine(round, shard); !set_aside.ok())
      LogWarn("{}: {}", options_.stage, set_aside.message());
  }
  if (!served.ok()) return EndOf(served.WithContext(options_.stage), FirstLine(served.message()));
  return Outcome(*job.Poll());
}

Status StageServer::Serve(cluster::LaunchedJob& job, const std::atomic<int>& stops) {
  while (!job.Poll()) {
    Steer(job, stops);
    STILL_RETURN_IF_ERROR(Publish());
    STILL_RETURN_IF_ERROR(ServeOne(options_.tick).status());
  }
  return ServeLastWords();
}

// What the clock and the people who wait decide.
void StageServer::Steer(cluster::LaunchedJob& job, int stops) {
  const Clock::TimePoint now = clock_.Now();
  if (stops > 0 && !stop_seen_) stop_seen_ = now;
  LeaveTheDeadBehind(now);
  const bool out_of_patience = stop_seen_ && now - *stop_seen_ >= options_.drain_patience;
  if (!Ending() && (stops > 1 || out_of_patience)) {
    NoteFailureHere(Error(Code::kCancelled, "{}: interrupted", options_.stage));
  }
  if (std::exchange(end_asked_, false)) {
    terminated_ = true;
    job.Terminate();
  }
  if (Ending() && !ending_since_) ending_since_ = now;
  if (!lost_host_ && !Ending()) LookForLostHosts(now);
  const bool nobody_left = !Ending() && host_silence_.EverybodySilent(membership_.members(), now);
  // A rank lost at the start: where deaths are survived, the others wait for it in MPI_Init, which knows of none.
  if (lost_at_start_ || lost_host_ || nobody_left) job.Kill();
  if (stops > 1 || (ending_since_ && now - *ending_since_ > EndPatience())) job.Kill();
}

Result<bool> StageServer::ServeOne(milliseconds wait) {
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc_->Receive(wait));
  if (!message) return false;
  STILL_RETURN_IF_ERROR(Dispatch(*message));
  return true;
}

// Messages may still be on their way up from the socket; without a result yet, it is worth waiting for one.
Status StageServer::ServeLastWords() {
  const Clock::TimePoint until = clock_.Now() + 10 * options_.last_words;  // a guardian may outlive mpirun, and talk on
  while (clock_.Now() < until) {
    STILL_ASSIGN_OR_RETURN(const bool served, ServeOne(Ending() ? milliseconds(0) : options_.last_words));
    if (!served) break;
  }
  publish_tried_.reset();
  return Publish();
}

Status StageServer::Dispatch(const RpcMessage& message) {
  Envelope envelope;
  if (!envelope.ParseFromString(message.payload)) {
    LogWarn("{}: dropped a message of {} bytes that is not an Envelope", options_.stage, message.payload.size());
    return Ok();
  }
  if (!lost_host_ && membership_.Accepts(envelope.generation(), envelope.rank()))
    return DispatchMember(message.peer, envelope);
  if (!lost_host_)  // else nobody is wanted any more
    LogWarn("{}: fenced rank {} of generation {}; this is generation {}", options_.stage, envelope.rank(),
            envelope.generation(), membership_.generation());
  Envelope reply;
  reply.mutable_fenced()->set_current_generation(membership_.generation());
  return Reply(message.peer, &reply);
}

Status StageServer::DispatchMember(const std::string& peer, const Envelope& envelope) {
  switch (envelope.body_case()) {
    case Envelope::kHeartbeat: return AnswerHeartbeat(peer, envelope);
    case Envelope::kProgress: NoteProgress(envelope); break;
    case Envelope::kLeaseRequest: return AnswerLease(peer, envelope.rank(), envelope.lease_request().request());
    case Envelope::kShardDone: TakeShard(envelope); break;
    case Envelope::kPartsWritten: return CollectParts(peer, envelope);
    case Envelope::kShrinkRequest: return AnswerShrink(peer, envelope.rank(), envelope.shrink_request());
    case Envelope::kRankKilled: {
      const auto& killed = envelope.rank_killed();
      sightings_.Killed(envelope.rank(), killed.cause(), {killed.phase(), killed.step()});
      host_silence_.HeardOfDeath(envelope.rank(), clock_.Now());
      lost_at_start_ |= killed.phase() == v1::PHASE_START;
      NoteDeath(envelope.rank());
      break;
    }
    case Envelope::kStorageTrouble:
      NoteStorageTrouble(RankSource(envelope.rank()), envelope.storage_trouble().message());
      break;
    case Envelope::kStageResult: {
      const auto& result = envelope.stage_result();
      results_.Said(envelope.rank(), Status(CodeFromWire(result.code()), result.message()));
      break;
    }
    default: LogWarn("{}: rank {} sent a message that only a coordinator sends", options_.stage, envelope.rank());
  }
  return Ok();
}

Status StageServer::AnswerHeartbeat(const std::string& peer, const Envelope& envelope) {
  const stillhouse::v1::Heartbeat& said = envelope.heartbeat();
  const Clock::TimePoint now = clock_.Now();
  sightings_.Seen(envelope.rank(), {said.phase(), said.step()});
  host_silence_.Heard(envelope.rank(), said.host(), now);
  phase_times_.Heard({.rank = envelope.rank(),
                      .host = said.host(),
                      .phase = said.phase(),
                      .step = said.step(),
                      .phase_seconds = said.phase_seconds(),
                      .pid = said.pid()},
                     now);
  if (!ranks_told_ || now - *ranks_told_ >= options_.ranks_interval) {
    ranks_told_ = now;
    options_.on_ranks(phase_times_);
  }
  Envelope reply;
  reply.mutable_heartbeat_reply()->set_drain(stop_seen_.has_value());
  return Reply(peer, &reply);
}

Status StageServer::AnswerLease(const std::string& peer, std::uint32_t rank, std::uint64_t request) {
  Envelope reply;
  *reply.mutable_lease_grant() = work_.Answer(rank, request, results_.succeeded(), clock_.Now());
  return Reply(peer, &reply);
}

void StageServer::TakeShard(const Envelope& envelope) {
  Status taken = work_.NoteDone(envelope.rank(), envelope.shard_done(), clock_.Now());
  if (taken.ok() && !progress_.empty()) Show(progress_.begin()->second);
  if (taken.ok()) return;
  if (taken.code() == Code::kDataLoss) {
    differing_.emplace_back(envelope.shard_done().round(), envelope.shard_done().shard());
    const Status set_aside = options_.quarantine(envelope.shard_done().round(), envelope.shard_done().shard());
    if (!set_aside.ok())
      taken = Status(taken.code(), taken.message() + "; it is not set aside: " + set_aside.message());
  }
  NoteFailureHere(taken.WithContext(options_.stage));
}

Status StageServer::AnswerShrink(const std::string& peer, std::uint32_t rank,
                                 const stillhouse::v1::ShrinkRequest& request) {
  std::optional<std::uint64_t> answer = membership_.Answered(rank, request.request());
  if (!answer) {
    const Result<std::uint64_t> granted = Shrink(rank, request);
    if (!granted.ok()) LogWarn("{}: survivors may not go on: {}", options_.stage, granted.status().message());
    answer = granted.ok() ? *granted : 0;
    membership_.NoteAnswer(rank, request.request(), *answer);
  }
  Envelope reply;
  reply.mutable_shrink_reply()->set_request(request.request());
  reply.mutable_shrink_reply()->set_generation(*answer);
  return Reply(peer, &reply);
}

Result<std::uint64_t> StageServer::Shrink(std::uint32_t rank, const stillhouse::v1::ShrinkRequest& request) {
  const std::set<std::uint32_t> survivors(request.survivors().begin(), request.survivors().end());
  STILL_RETURN_IF_ERROR(membership_.Check(rank, survivors));
  if (Ending() || !options_.on_shrink) return Error(Code::kAborted, "the launch ends");
  sightings_.Reached(request.step());
  const std::vector<std::uint32_t> dead = membership_.LeftBehind(survivors);
  v1::Death death = sightings_.DeathOf(dead, request.step());
  if (dead.empty()) death.set_cause(v1::DEATH_CAUSE_PEER_LOST);
  return GoOn(survivors, dead, death);
}

Result<std::uint64_t> StageServer::GoOn(const std::set<std::uint32_t>& survivors,
                                        const std::vector<std::uint32_t>& dead, const v1::Death& death) {
  GenerationEnd end = EndOf(Status(Code::kUnavailable, DeathText(death)), DeathText(death));
  end.death = death;
  if (!dead.empty()) {
    end.rank = dead.front();
    end.phase = EnumWord(sightings_.PhaseOf(dead.front()));
  }
  if (left_host_ && std::ranges::includes(dead, left_host_->ranks)) end.lost_host = left_host_->host;
  end.in_place = true;
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, options_.on_shrink(end, survivors.size()));
  membership_.Shrink(survivors, generation);
  generation_since_ = clock_.Now();
  for (const std::uint32_t gone : dead) {
    part_writers_.erase(gone);
    NoteStorageTrouble(RankSource(gone), "");
    sightings_.Forget(gone);
    phase_times_.Forget(gone);
  }
  return generation;
}

void StageServer::LookForLostHosts(Clock::TimePoint now) {
  std::optional<LostHost> lost = host_silence_.Lost(membership_.members(), now);
  if (!lost) return;
  if (LeavesDeadBehind()) {
    for (const std::uint32_t rank : lost->ranks) NoteDeath(rank);
    left_host_ = *std::move(lost);
  } else {
    lost_host_ = std::move(lost);
  }
}

void StageServer::NoteDeath(std::uint32_t rank) {
  work_.NoteDeath(rank);
  if (LeavesDeadBehind() && dead_.insert(rank).second) last_death_ = clock_.Now();
}

// In divisible work. What a rank said before it died, on another line than its guardian's, counts: hence the pause.
void StageServer::LeaveTheDeadBehind(Clock::TimePoint now) {
  if (dead_.empty() || !options_.on_shrink || Ending() || now - last_death_ < options_.last_words) return;
  const std::vector<std::uint32_t> dead(dead_.begin(), dead_.end());
  dead_.clear();
  std::set<std::uint32_t> survivors = membership_.members();
  for (const std::uint32_t rank : dead) survivors.erase(rank);
  if (survivors.empty()) return;  // mpirun ends by itself
  const bool host_lost = left_host_ && left_host_->ranks == dead;
  const Result<std::uint64_t> generation =
      GoOn(survivors, dead, host_lost ? left_host_->AsDeath() : sightings_.DeathOf(dead, {}));
  if (!generation.ok()) NoteFailureHere(generation.status());
}

Status StageServer::CollectParts(const std::string& peer, const Envelope& envelope) {
  if (options_.publisher == nullptr) {
    LogWarn("{}: rank {} wrote a checkpoint that nobody keeps", options_.stage, envelope.rank());
    return Ok();
  }
  part_writers_[envelope.rank()] = peer;
  const Result<WrittenShare> share = ReadShare(envelope.rank(), envelope.parts_written());
  if (!share.ok()) {
    NoteFailureHere(share.status().WithContext(options_.stage));
    return Ok();
  }
  sightings_.Reached(share->info.step);
  if (published_step_ && share->info.step <= *published_step_) {  // said twice
    Envelope reply;
    reply.mutable_checkpoint_published()->set_step(*published_step_);
    return Reply(peer, &reply);
  }
  Result<std::optional<CheckpointManifest>> manifest = collector_.Add(*share);
  if (!manifest.ok()) {
    NoteFailureHere(manifest.status().WithContext(options_.stage));
    return Ok();
  }
  if (!*manifest) return Ok();
  options_.publisher->Add(**manifest);
  publish_tried_.reset();
  return Publish();
}

// What waits is tried now and then, and told to everybody who had a share when it succeeds.
Status StageServer::Publish() {
  if (options_.publisher == nullptr || !options_.publisher->waiting()) return Ok();
  const Clock::TimePoint now = clock_.Now();
  if (publish_tried_ && now - *publish_tried_ < options_.publish_retry) return Ok();
  publish_tried_ = now;
  const std::vector<std::uint64_t> steps = options_.publisher->PublishWaiting();
  NoteStorageTrouble("journal", options_.publisher->trouble().message());
  if (steps.empty()) return Ok();
  published_step_ = std::max(published_step_.value_or(0), steps.back());
  for (const auto& [rank, peer] : part_writers_) {
    Envelope published;
    published.mutable_checkpoint_published()->set_step(*published_step_);
    STILL_RETURN_IF_ERROR(Reply(peer, &published));
  }
  return Ok();
}

void StageServer::NoteProgress(const Envelope& envelope) {
  const stillhouse::v1::Progress& said = envelope.progress();
  if (work_.Any()) work_.NoteProgress(envelope.rank(), said, clock_.Now());
  StageProgress& latest = progress_[envelope.rank()];
  latest = {said.done(), said.total(), said.unit(), said.tokens(), {said.values().begin(), said.values().end()}};
  Show(latest);
}

// In divisible work a rank counts what it does of its shard; in a gang every rank counts the same steps.
void StageServer::Show(StageProgress shown) {
  if (work_.Any()) {
    shown.done = work_.units();
    shown.tokens = 0;
    shown.values.clear();
    for (const auto& [rank, part] : progress_) {
      shown.tokens += part.tokens;
      for (const auto& [name, value] : part.values) shown.values[name] += value;
    }
  }
  sightings_.Reached(work_.Any() ? work_.reached() : shown.done);
  options_.on_progress(shown);
}

void StageServer::NoteFailureHere(Status failure) {
  results_.Failed(std::move(failure));
  end_asked_ = true;
}

// Shown when the first one has it and when the last one has it no more.
void StageServer::NoteStorageTrouble(const std::string& source, const std::string& trouble) {
  const bool before = !storage_troubles_.empty();
  if (trouble.empty()) {
    storage_troubles_.erase(source);
  } else {
    storage_troubles_[source] = trouble;
  }
  if (before != storage_troubles_.empty()) return;
  options_.on_storage_trouble(trouble.empty() ? "" : fmt::format("{}: {}", source, trouble));
}

Status StageServer::Reply(const std::string& peer, Envelope* envelope) {
  envelope->set_generation(membership_.generation());
  return rpc_->Send(peer, envelope->SerializeAsString());
}

milliseconds StageServer::EndPatience() const {
  return membership_.shrunk() && !terminated_ ? options_.drain_shrunk : options_.drain;
}

GenerationEnd StageServer::EndOf(const Status& outcome, const std::string& what) const {
  return {.generation = membership_.generation(),
          .code = outcome.code(),
          .what = what,
          .why = outcome.message(),
          .step = sightings_.step(),
          .seconds = SecondsSince(clock_, generation_since_)};
}

GenerationEnd StageServer::Outcome(const cluster::ExitInfo& exit) const {
  if (const std::optional<Status> verdict = results_.Verdict()) {
    if (verdict->ok()) return EndOf(*verdict, "done");
    if (verdict->code() != Code::kCancelled || terminated_ || !published_step_)
      return EndOf(*verdict, FirstLine(verdict->message()));
    const std::string what = fmt::format("stopped after step {}, published", *published_step_);
    return EndOf(Error(Code::kCancelled, "{}: {}", options_.stage, what), what);
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
  GenerationEnd end = EndOf(Status(Code::kUnavailable, death.why), DeathText(death.death));
  end.death = death.death;
  end.rank = death.rank;
  if (death.rank) end.phase = EnumWord(sightings_.PhaseOf(*death.rank));
  end.lost_host = death.lost_host;
  if (stop_seen_) {
    end.code = Code::kCancelled;
    end.why = fmt::format("{}: interrupted, and {}", options_.stage, DeathText(death.death));
  }
  return end;
}

}  // namespace still::coordinator
