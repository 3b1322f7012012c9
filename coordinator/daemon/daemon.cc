#include "coordinator/daemon/daemon.h"

#include <google/protobuf/stubs/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <memory>
#include <string_view>

#include "cluster/inventory.h"
#include "common/log.h"
#include "common/rpc/keys.h"
#include "common/rpc/rpc.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "coordinator/agent/job_run.h"
#include "coordinator/client/client.h"
#include "coordinator/client/state_directory.h"
#include "coordinator/daemon/attempt_retention.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/daemon/detached_agents.h"
#include "coordinator/http/http_server.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRound{50};  // longest wait for a message
constexpr std::chrono::minutes kBetweenRemovals{1};
constexpr int kMostMessagesARound = 4096;  // that share one write

Result<FileLock> TakeStateDirectory(const StateDirectory& directory) {
  const bool existed = Exists(directory.path());
  STILL_RETURN_IF_ERROR(MakeDirectories(directory.path()));
  if (!existed && ::chmod(directory.path().c_str(), S_IRWXU) != 0)
    return ErrnoStatus(errno, "cannot make private", directory.path());
  struct stat known = {};
  if (::stat(directory.path().c_str(), &known) != 0) return ErrnoStatus(errno, "cannot look at", directory.path());
  if (known.st_uid != ::geteuid() || (known.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return Error(Code::kPermissionDenied,
                 "the state directory {} is open to others: name one that does not exist yet, or make it yours alone "
                 "(chmod 700)",
                 directory.path());
  Result<FileLock> lock = FileLock::TryAcquire(directory.Lock());
  if (lock.status().code() == Code::kUnavailable)
    return Error(Code::kUnavailable,
                 "a coordinator is running on the state directory {}; end it first, or give this one another directory "
                 "(--state)",
                 directory.path());
  return lock;
}

Result<std::vector<stillhouse::v1::Host>> ReadInventory(const DaemonOptions& options) {
  if (!options.hostfile.empty() && options.address.empty())
    return Error(Code::kInvalidArgument,
                 "with a hostfile, say at which address of this machine its hosts reach it (--address)");
  STILL_ASSIGN_OR_RETURN(const std::vector<cluster::HostSlots> slots, cluster::LoadInventory(options.hostfile));
  std::vector<stillhouse::v1::Host> hosts;
  for (const cluster::HostSlots& host : slots) {
    hosts.emplace_back().set_name(host.name);
    hosts.back().set_slots(host.slots);
  }
  return hosts;
}

// 0 for what is no number.
std::uint64_t Number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

// When a journal was removed or put back from a copy, numbers of jobs are given once more, and what attempts left
// behind then would be taken for the outcome of others.
Status CheckAttempts(const StateDirectory& directory, const State& state) {
  if (!Exists(directory.Jobs())) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> jobs, ListDirectory(directory.Jobs()));
  for (const std::string& id : jobs) {
    if (Number(id) == 0) continue;
    const std::string path = JoinPath(directory.Jobs(), id);
    STILL_ASSIGN_OR_RETURN(const std::vector<std::string> attempts, ListDirectory(path));
    const stillhouse::v1::Job* const job = state.FindJob(Number(id));
    for (const std::string& attempt : attempts) {
      if (Number(id) < state.next_job() && (job == nullptr || Number(attempt) <= job->attempt())) continue;
      return Error(Code::kDataLoss,
                   "{} is of an attempt that the journal does not know: the journal was removed or is an older copy; "
                   "move {} away (its logs stay readable there) and start again",
                   JoinPath(path, attempt), directory.Jobs());
    }
  }
  return Ok();
}

stillhouse::v1::HostAccess AccessOf(const DaemonOptions& options) {
  stillhouse::v1::HostAccess access;
  if (options.hostfile.empty()) return access;
  access.set_address(options.address);
  access.set_network(options.ssh.network);
  access.set_ssh_identity_file(options.ssh.identity_file);
  for (const std::string& argument : options.ssh.arguments) access.add_ssh_arguments(argument);
  return access;
}

struct DaemonKeys {
  std::optional<RpcServerKeys> rpc;
  std::string http_token;
};

// Made at the first start. Clients that find keys use them, so who wants none must have none.
Result<DaemonKeys> KeysOf(const DaemonOptions& options, const StateDirectory& directory) {
  DaemonKeys keys;
  if (!options.keys) {
    if (!Exists(directory.Keys())) return keys;
    return Error(Code::kInvalidArgument,
                 "{} is there, and --no-keys would let in everybody without them: remove it, or give another --state",
                 directory.Keys());
  }
  if (!Exists(directory.Keys())) {
    STILL_RETURN_IF_ERROR(NewKeys(directory.Keys()));
    LogInfo("made keys: {}", directory.Keys());
  }
  STILL_ASSIGN_OR_RETURN(keys.rpc, LoadServerKeys(directory.Keys()));
  STILL_ASSIGN_OR_RETURN(keys.http_token, LoadHttpToken(directory.Keys()));
  return keys;
}

Result<std::unique_ptr<RpcServer>> Listen(const std::string& endpoint, const std::optional<RpcServerKeys>& keys) {
  Result<std::unique_ptr<RpcServer>> rpc = RpcServer::Bind(endpoint, keys);
  if (rpc.status().code() != Code::kUnavailable) return rpc;
  return Error(Code::kUnavailable, "{}; end what uses it, or choose another with --listen (port *: any free one)",
               rpc.status().message());
}

// On a full disk what the last one wrote has to do, which on fixed ports is the same.
Status Announce(const std::string& path, const std::string& text, FileAccess access = FileAccess::kShared) {
  const Result<std::string> known = ReadFile(path);
  if (known.ok() && *known == text) return Ok();
  const Status written = WriteFileAtomically(path, text, access);
  if (written.code() != Code::kResourceExhausted) return written;
  LogError("{}: whoever is not told where this coordinator listens does not find it", written.message());
  return Ok();
}

// The threads of the status page, whose questions the loop answers.
class Page {
 public:
  // With an empty token on loopback only.
  static Result<std::unique_ptr<Page>> Start(const DaemonOptions& options, const std::string& token) {
    auto page = std::unique_ptr<Page>(new Page());
    STILL_ASSIGN_OR_RETURN(
        page->server_, HttpServer::Start({.address = options.http_address, .port = options.http_port, .token = token},
                                         [questions = &page->questions_](const HttpQuestion& question) {
                                           return questions->AskAndWait(question);
                                         }));
    return page;
  }
  ~Page() {
    questions_.Close();
    server_.reset();
  }

  const std::string& url() const { return server_->url(); }
  void Answer(Coordinator& coordinator) {
    questions_.AnswerAll([&](const HttpQuestion& question) -> Result<std::string> {
      if (question.metrics) return coordinator.Metrics();
      return HttpAnswer(coordinator.Ask(question.request));
    });
  }

 private:
  Page() = default;

  QuestionQueue questions_;
  std::unique_ptr<HttpServer> server_;
};

void Send(RpcServer& rpc, const std::vector<OutgoingMessage>& answers) {
  for (const OutgoingMessage& answer : answers) {
    // Who does not listen any more asks again, or has gone.
    if (const Status sent = rpc.Send(answer.peer, answer.payload); !sent.ok()) LogDebug("{}", sent.message());
  }
}

Status Serve(RpcServer& rpc, Coordinator& coordinator, const StateDirectory& directory, Page* page,
             const std::atomic<int>& stops) {
  Clock::TimePoint removed = Clock::System().Now();
  while (stops == 0) {
    milliseconds wait = kRound;
    for (int i = 0; i < kMostMessagesARound; ++i) {
      STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc.Receive(wait));
      if (!message) break;
      coordinator.Take(message->peer, message->payload);
      wait = milliseconds(0);
    }
    if (page != nullptr) page->Answer(coordinator);
    Send(rpc, coordinator.Answers());
    Send(rpc, coordinator.Settle());
    if (Clock::System().Now() - removed < kBetweenRemovals) continue;
    removed = Clock::System().Now();
    if (const Status tidied = RemoveOldAttempts(directory, coordinator.state(), {}); !tidied.ok())
      LogWarn("what old attempts left stays: {}", tidied.message());
  }
  return Ok();
}

}  // namespace

Status RunDaemon(const DaemonOptions& options, const std::atomic<int>& stops) {
  google::protobuf::SetLogHandler(nullptr);  // it writes a line for each hostile string, which would fill the log
  const StateDirectory directory(options.state_directory);
  STILL_ASSIGN_OR_RETURN(const FileLock lock, TakeStateDirectory(directory));
  STILL_ASSIGN_OR_RETURN(const std::vector<stillhouse::v1::Host> hosts, ReadInventory(options));
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<Journal> journal, Journal::Open(directory.Journal()));
  STILL_ASSIGN_OR_RETURN(const DaemonKeys keys, KeysOf(options, directory));
  STILL_ASSIGN_OR_RETURN(const std::unique_ptr<RpcServer> rpc, Listen(options.endpoint, keys.rpc));
  std::unique_ptr<Page> page;
  if (options.http) {
    STILL_ASSIGN_OR_RETURN(page, Page::Start(options, keys.http_token));
  }

  DetachedAgents agents(directory, options.still);
  Coordinator coordinator({.endpoint = rpc->endpoint(),
                           .fresh_identity = DrawKey(),
                           .worker = options.worker,
                           .mpirun = options.mpirun,
                           .keys = keys.rpc ? std::filesystem::absolute(directory.Keys()).string() : "",
                           .access = AccessOf(options),
                           .is_made = FindArtifact,
                           .look_in_threads = true},
                          *journal, agents, Clock::System());
  STILL_RETURN_IF_ERROR(coordinator.Open(hosts));
  STILL_RETURN_IF_ERROR(CheckAttempts(directory, coordinator.state()));
  const std::string url = page ? page->url() : "";
  const DaemonAddresses at{
      .endpoint = rpc->endpoint(),
      .page = url,
      .page_with_token = page && !keys.http_token.empty() ? url + "?token=" + keys.http_token : url};
  STILL_RETURN_IF_ERROR(Announce(directory.Endpoint(), at.endpoint + "\n"));
  STILL_RETURN_IF_ERROR(Announce(directory.Http(), at.page_with_token + "\n", FileAccess::kPrivate));
  options.on_ready(at);
  return Serve(*rpc, coordinator, directory, page.get(), stops);
}

}  // namespace still::coordinator
