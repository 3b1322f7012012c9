#include "worker/control/attach.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "common/clock.h"
#include "common/config/config.h"
#include "common/enum_words.h"
#include "common/environment.h"
#include "common/proto/coordinator.pb.h"
#include "common/rpc/keys.h"
#include "common/rpc/protocol.h"
#include "common/rpc/rpc.h"
#include "common/storage/files.h"

namespace still::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskAgain{300};
constexpr milliseconds kAnswer{2000};

std::uint32_t NumberFromMpirun(const char* name, std::uint32_t otherwise) {
  const std::string text = EnvironmentValue(name);
  return text.empty() ? otherwise : static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

// Returns a name that all ranks of one mpirun share with no other. Open MPI 5 names it by host and process, 4 by a
// number.
std::string LaunchName() {
  for (const char* name : {"PMIX_NAMESPACE", "OMPI_MCA_orte_ess_jobid", "OMPI_MCA_ess_base_jobid"})
    if (std::string text = EnvironmentValue(name); !text.empty()) return text;
  return fmt::format("process-{}", getpid());
}

stillhouse::v1::Attach Introduction(const std::string& job) {
  stillhouse::v1::Attach attach;
  attach.set_job(job);
  attach.set_launch(LaunchName());
  attach.set_rank(NumberFromMpirun("OMPI_COMM_WORLD_RANK", 0));
  attach.set_ranks(NumberFromMpirun("OMPI_COMM_WORLD_SIZE", 1));
  return attach;
}

// Stores the task in memory that ends with the process and that no other process reads, because it may hold keys.
Result<std::string> Keep(const std::string& task) {
  const int file = ::memfd_create("still-task", 0);
  if (file < 0) return ErrnoStatus(errno, "cannot keep in memory", "the task");
  const std::string path = fmt::format("/proc/self/fd/{}", file);
  for (std::size_t written = 0; written < task.size();) {
    const ssize_t now = ::write(file, task.data() + written, task.size() - written);
    if (now < 0) return ErrnoStatus(errno, "cannot write", path);
    written += static_cast<std::size_t>(now);
  }
  return path;
}

std::string RequestFor(const stillhouse::v1::Attach& attach, std::uint64_t number) {
  stillhouse::v1::CoordinatorMessage message;
  message.mutable_client()->set_protocol(kProtocol);
  message.mutable_client()->set_request(number);
  *message.mutable_client()->mutable_attach() = attach;
  return message.SerializeAsString();
}

}  // namespace

Result<std::string> FetchTask(const AttachOptions& options) {
  STILL_ASSIGN_OR_RETURN(const std::optional<RpcClientKeys> keys, FindClientKeys(options.keys, /*state=*/""));
  const stillhouse::v1::Attach attach = Introduction(options.job);
  STILL_ASSIGN_OR_RETURN(
      const std::unique_ptr<RpcClient> client,
      RpcClient::Connect(options.coordinator, fmt::format("attach-{}-{}-{}", attach.launch(), attach.rank(), getpid()),
                         keys));
  std::string said;
  const auto say = [&](const std::string& why) {
    if (why == said || attach.rank() != 0) return;
    said = why;
    fmt::print(stderr, "still-worker: {}; waiting\n", why);
  };
  for (std::uint64_t number = 1;; ++number) {
    const Status sent = client->Send(RequestFor(attach, number));
    if (client->Refused()) {
      return Error(Code::kUnavailable,
                   "the coordinator at {} refuses us: {}; name its client keys (--keys, STILL_KEYS), or its state "
                   "directory (STILL_STATE)",
                   options.coordinator, keys ? "it has no keys, or others than ours" : "it has keys, which we lack");
    }
    // UNAVAILABLE means that the queue is full of messages that nobody has taken. They go out when somebody listens.
    if (!sent.ok() && sent.code() != Code::kUnavailable) return sent;
    STILL_ASSIGN_OR_RETURN(const std::optional<std::string> answer, client->Receive(kAnswer));
    stillhouse::v1::ClientReply reply;
    if (!answer) {
      say(fmt::format("the coordinator at {} does not answer", options.coordinator));
      continue;
    }
    if (!reply.ParseFromString(*answer) || reply.request() != number) continue;
    if (reply.has_task()) {
      STILL_ASSIGN_OR_RETURN(const std::string json, ToJson(reply.task()));
      return Keep(json);
    }
    if (const auto code = CodeFromWire(reply.code()); code == Code::kUnavailable) {
      say(reply.message());
    } else if (code != Code::kOk) {
      return Status(code, reply.message());
    }
    Clock::System().SleepFor(kAskAgain);
  }
}

}  // namespace still::worker
