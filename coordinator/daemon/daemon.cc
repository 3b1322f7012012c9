#include "coordinator/daemon/daemon.h"

#include <google/protobuf/stubs/logging.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string_view>

#include "cluster/inventory.h"
#include "common/log.h"
#include "common/rpc/keys.h"
#include "common/rpc/rpc.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/state_directory.h"
#include "coordinator/agent/job_run.h"
#include "coordinator/client/client.h"
#include "coordinator/daemon/attempt_retention.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/daemon/detached_agents.h"
#include "coordinator/daemon/network_options.h"
#include "coordinator/http/http_server.h"
#include "coordinator/jobs/names.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRound{50};  // the longest wait for a message
constexpr std::chrono::minutes kBetweenRemovals{1};
constexpr int kMostMessagesPerRound = 4096;  // these share one write

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

Result<std::vector<v1::Host>> ReadInventory(const DaemonOptions& options) {
  STILL_ASSIGN_OR_RETURN(const std::vector<cluster::HostSlots> slots, cluster::LoadInventory(options.hostfile));
  STILL_RETURN_IF_ERROR(CheckNetworkOptions(options));
  std::vector<v1::Host> hosts;
  for (const cluster::HostSlots& host : slots) {
    hosts.emplace_back().set_name(host.name);
    hosts.back().set_slots(host.slots);
  }
  return hosts;
}

// Refuses attempts that the journal does not know. A journal that was removed or replaced by an older copy gives job
// numbers a second time. Outcomes of the old attempts would then pass for those of new ones.
Status CheckAttempts(const StateDirectory& directory, const State& state) {
  if (!Exists(directory.Jobs())) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> jobs, ListDirectory(directory.Jobs()));
  for (const std::string& id : jobs) {
    const std::optional<std::uint64_t> number = JobIdIn(id);
    if (!number) continue;
    const std::string path = JoinPath(directory.Jobs(), id);
    STILL_ASSIGN_OR_RETURN(const std::vector<std::string> attempts, ListDirectory(path));
    const v1::Job* const job = state.FindJob(*number);
    for (const std::string& attempt : attempts) {
      const bool known = job == nullptr || JobIdIn(attempt).value_or(0) <= job->attempt();
      if (*number < state.next_job() && known) continue;
      return Error(
          Code::kDataLoss,
          "{} belongs to an attempt that the journal does not know: the journal was removed or is an older copy; "
          "move {} away (its logs stay readable there) and start again",
          JoinPath(path, attempt), directory.Jobs());
    }
  }
  return Ok();
}

v1::HostAccess AccessOf(const DaemonOptions& options) {
  v1::HostAccess access;
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

// Returns the keys and makes them at the first start. Without `keys` the directory must have none, because clients use
// the keys that they find.
Result<DaemonKeys> KeysOf(const DaemonOptions& options, const StateDirectory& directory) {
  DaemonKeys keys;
  if (!options.keys) {
    if (!Exists(directory.Keys())) return keys;
    return Error(Code::kInvalidArgument,
                 "{} exists, but --no-keys would serve everybody without them: remove it, or give another --state",
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
  return Error(Code::kUnavailable, "{}; end what uses it, or choose another with --listen (port * takes a free one)",
               rpc.status().message());
}

// Writes `text` to `path`. On a full disk the text of the last start stays, which is the same on fixed ports.
Status Announce(const std::string& path, const std::string& text, FileAccess access = FileAccess::kShared) {
  const Result<std::string> known = ReadFile(path);
  if (known.ok() && *known == text) return Ok();
  const Status written = WriteFileAtomically(path, text, access);
  if (written.code() != Code::kResourceExhausted) return written;
  LogError("{}: clients must name this coordinator with --coordinator", written.message());
  return Ok();
}

// Page owns the threads of the status page. They queue their questions, and the daemon's loop answers them.
class Page {
 public:
  // Starts the threads. An empty token is allowed on loopback only.
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
    // A peer that misses its answer asks again or is gone.
    if (const Status sent = rpc.Send(answer.peer, answer.payload); !sent.ok()) LogDebug("{}", sent.message());
  }
}

Status Serve(RpcServer& rpc, Coordinator& coordinator, const StateDirectory& directory, Page* page,
             const std::atomic<int>& stops) {
  Clock::TimePoint removed = Clock::System().Now();
  while (stops == 0) {
    milliseconds wait = kRound;
    for (int i = 0; i < kMostMessagesPerRound; ++i) {
      STILL_ASSIGN_OR_RETURN(const std::optional<RpcMessage> message, rpc.Receive(wait));
      if (!message) break;
      coordinator.OnMessage(message->peer, message->payload);
      wait = milliseconds(0);
    }
    if (page != nullptr) page->Answer(coordinator);
    Send(rpc, coordinator.Answers());
    Send(rpc, coordinator.Tick());
    if (Clock::System().Now() - removed < kBetweenRemovals) continue;
    removed = Clock::System().Now();
    if (const Status tidied = RemoveOldAttempts(directory, coordinator.state(), {}); !tidied.ok())
      LogWarn("cannot remove what old attempts left: {}", tidied.message());
  }
  return Ok();
}

}  // namespace

Status RunDaemon(const DaemonOptions& options, const std::atomic<int>& stops) {
  google::protobuf::SetLogHandler(nullptr);  // it would log every malformed string that a stranger sends
  const StateDirectory directory(options.state_directory);
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::Host> hosts, ReadInventory(options));
  STILL_ASSIGN_OR_RETURN(const FileLock lock, TakeStateDirectory(directory));
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
                           .probe_in_threads = true},
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
