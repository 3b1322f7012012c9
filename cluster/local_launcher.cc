#include "cluster/local_launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "common/environment.h"
#include "common/log.h"

namespace still::cluster {
namespace {

class ChildProcess : public LaunchedJob {
 public:
  ChildProcess(pid_t pid, std::optional<ScratchDirectory> scratch) : scratch_(std::move(scratch)), pid_(pid) {}
  ~ChildProcess() override {
    if (exit_) return;
    Kill();
    ::waitpid(pid_, nullptr, 0);
  }

  std::optional<ExitInfo> Poll() override {
    int status = 0;
    if (!exit_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = WIFSIGNALED(status) ? ExitInfo{0, WTERMSIG(status)} : ExitInfo{WEXITSTATUS(status), 0};
    }
    return exit_;
  }
  void Terminate() override { Signal(SIGTERM); }
  void Kill() override { Signal(SIGKILL); }

 private:
  // Signals the whole process group, unless the child was reaped: its number may belong to another group by now.
  void Signal(int signal) {
    if (!exit_) ::kill(-pid_, signal);
  }

  std::optional<ScratchDirectory> scratch_;
  pid_t pid_;
  std::optional<ExitInfo> exit_;
};

// Adds our own variables of this process (faults, the level of the log), which only the ranks of this machine inherit.
void AddOurOwn(std::map<std::string, std::string>* environment) {
  for (const EnvironmentVariable& variable : EnvironmentVariables()) {
    if (variable.name == "STILL_HOST") continue;  // it is true of one host alone
    if (std::string value = EnvironmentValue(variable.name); !value.empty())
      environment->insert({std::string(variable.name), std::move(value)});
  }
}

// Returns a scratch directory for one launch, or nothing after logging why. A launch works without one, unless files
// that another launch left are in its way.
std::optional<ScratchDirectory> ScratchOfLaunch() {
  Result<ScratchDirectory> made = ScratchDirectory::Create("/dev/shm", "still-mpirun-");
  if (!made.ok()) {
    LogWarn("no scratch directory for this launch, so Open MPI chooses where its files go: {}",
            made.status().message());
    return std::nullopt;
  }
  if (const Status removed = made->RemoveAbandoned(); !removed.ok()) LogWarn("{}", removed.message());
  return std::move(*made);
}

}  // namespace

std::string ExitInfo::ToString() const {
  if (signal != 0) return fmt::format("signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("exit code {}", code);
}

Result<std::unique_ptr<LaunchedJob>> LocalLauncher::Launch(const LaunchSpec& spec) {
  LaunchSpec local = spec;
  local.as_root = ::geteuid() == 0;
  if (!local.hosts.empty()) AddOurOwn(&local.environment);
  std::optional<ScratchDirectory> scratch = ScratchOfLaunch();
  if (scratch) local.scratch = scratch->path();
  return Start(MpirunCommand(mpirun_, local), {.log_path = spec.log_path, .working_directory = spec.working_directory},
               std::move(scratch));
}

Result<std::unique_ptr<LaunchedJob>> LocalLauncher::Start(const Command& command, const ProcessOptions& options,
                                                          std::optional<ScratchDirectory> scratch) {
  STILL_ASSIGN_OR_RETURN(const pid_t pid, StartProcess(command, options));
  return std::unique_ptr<LaunchedJob>(std::make_unique<ChildProcess>(pid, std::move(scratch)));
}

}  // namespace still::cluster
