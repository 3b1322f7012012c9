#include "coordinator/stage_server.h"

#include <algorithm>
#include <vector>

#include "common/files.h"
#include "common/log.h"
#include "common/proto/control.pb.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::Envelope;

// The last lines of a log, indented, for an error message; empty when there is nothing to show.
std::string LastLines(const std::string& path, std::uint64_t begin_of_launch, std::size_t count) {
  const Result<std::string> log = ReadFile(path);
  if (!log.ok() || log->size() <= begin_of_launch) return "";
  std::string_view text = std::string_view(*log).substr(begin_of_launch);
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && count > 0) {
    const std::size_t newline = text.rfind('\n', begin - 1);
    begin = newline == std::string_view::npos ? 0 : newline;
    --count;
  }
  text.remove_prefix(begin < text.size() && text[begin] == '\n' ? begin + 1 : begin);
  std::string lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines += fmt::format("\n    {}", text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace

Result<std::unique_ptr<StageServer>> StageServer::Bind(StageServerOptions options, const Clock& clock) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<RpcServer> rpc, RpcServer::Bind("tcp://127.0.0.1:*"));
  const Result<std::uint64_t> log_size = FileSize(options.log_path);
  std::unique_ptr<StageServer> server(new StageServer(std::move(options), clock, std::move(rpc)));
  if (log_size.ok()) server->log_begin_ = *log_size;
  return server;
}

Status StageServer::Run(cluster::LaunchedJob& job, const std::atomic<bool>& stop) {
  std::optional<Clock::TimePoint> ending_since;
  while (true) {
    if (const auto exit = job.Poll()) {
      STILL_RETURN_IF_ERROR(ServeLastWords());
      return Outcome(*exit);
    }
    if (!ending_since && Ending()) ending_since = clock_.Now();
    if (!ending_since && stop) {
      NoteFailure(Error(Code::kCancelled, "{}: interrupted; run the same command again to resume", options_.stage));
      ending_since = clock_.Now();
      job.Terminate();
    }
    if (ending_since && clock_.Now() - *ending_since > options_.drain) job.Kill();
    STILL_RETURN_IF_ERROR(ServeOne(options_.tick).status());
  }
}

Result<bool> StageServer::ServeOne(std::chrono::milliseconds wait) {
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc_->Receive(wait));
  if (!message) return false;
  STILL_RETURN_IF_ERROR(Dispatch(*message));
  return true;
}

// Messages may still be on their way up from the socket; without a result yet, it is worth waiting for one.
Status StageServer::ServeLastWords() {
  while (true) {
    STILL_ASSIGN_OR_RETURN(const bool served, ServeOne(Ending() ? std::chrono::milliseconds(0) : options_.last_words));
    if (!served) return Ok();
  }
}

Status StageServer::Dispatch(const RpcMessage& message) {
  Envelope envelope;
  if (!envelope.ParseFromString(message.payload)) {
    LogWarn("{}: dropped a message of {} bytes that is not an Envelope", options_.stage, message.payload.size());
    return Ok();
  }
  if (envelope.generation() != options_.generation) {
    LogWarn("{}: fenced rank {} of generation {}; this is generation {}", options_.stage, envelope.rank(),
            envelope.generation(), options_.generation);
    Envelope reply;
    reply.mutable_fenced()->set_current_generation(options_.generation);
    return Reply(message.peer, &reply);
  }
  switch (envelope.body_case()) {
    case Envelope::kProgress: NoteProgress(envelope); break;
    case Envelope::kLeaseRequest: return GrantShard(message.peer, envelope.lease_request().request());
    case Envelope::kShardDone: {
      const Status marked = leases_.MarkDone(envelope.shard_done().shard(), envelope.shard_done().digest());
      if (!marked.ok()) NoteFailure(marked.WithContext(fmt::format("{}, rank {}", options_.stage, envelope.rank())));
      break;
    }
    case Envelope::kStageResult: NoteResult(envelope); break;
    default: LogWarn("{}: rank {} sent a message that only a coordinator sends", options_.stage, envelope.rank());
  }
  return Ok();
}

Status StageServer::GrantShard(const std::string& peer, std::uint64_t request) {
  const std::optional<std::uint32_t> shard = leases_.Grant(peer, request);
  Envelope reply;
  reply.mutable_lease_grant()->set_request(request);
  reply.mutable_lease_grant()->set_granted(shard.has_value());
  reply.mutable_lease_grant()->set_shard(shard.value_or(0));
  return Reply(peer, &reply);
}

// In a stage of leased shards each rank counts its own part; in a gang every rank counts the same steps.
void StageServer::NoteProgress(const Envelope& envelope) {
  const stillhouse::v1::Progress& said = envelope.progress();
  StageProgress& latest = progress_[envelope.rank()];
  latest = {said.done(), said.total(), said.unit(), said.tokens(), {said.values().begin(), said.values().end()}};
  StageProgress shown = latest;
  if (leases_.shards() > 0) {
    shown.done = shown.tokens = 0;
    for (const auto& [rank, part] : progress_) {
      shown.done += part.done;
      shown.tokens += part.tokens;
      shown.total = std::max(shown.total, part.total);
    }
  }
  options_.on_progress(shown);
}

void StageServer::NoteResult(const Envelope& envelope) {
  const Code code = static_cast<Code>(envelope.stage_result().code());
  if (code == Code::kOk) {
    if (envelope.rank() == 0) succeeded_ = true;
    return;
  }
  // A code this binary does not know comes from another version.
  const Status said(code > Code::kInternal ? Code::kInternal : code, envelope.stage_result().message());
  NoteFailure(said.WithContext(fmt::format("{}, rank {}", options_.stage, envelope.rank())));
}

void StageServer::NoteFailure(Status failure) {
  if (!failure_) failure_ = std::move(failure);
}

Status StageServer::Reply(const std::string& peer, Envelope* envelope) {
  envelope->set_generation(options_.generation);
  return rpc_->Send(peer, envelope->SerializeAsString());
}

Status StageServer::Outcome(const cluster::ExitInfo& exit) const {
  if (failure_) return *failure_;
  if (succeeded_) return Ok();
  const std::string log = LastLines(options_.log_path, log_begin_, 12);
  return Error(
      Code::kUnavailable,
      "{}: the workers died before the stage was done: mpirun ended with {}; see {}; run the same command again "
      "to resume{}",
      options_.stage, exit.ToString(), options_.log_path, log.empty() ? "" : "\n  the log ends:" + log);
}

}  // namespace still::coordinator
