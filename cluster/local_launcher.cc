#include "cluster/local_launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "cluster/environment.h"
#include "common/log.h"
#include "common/storage/files.h"

namespace still::cluster {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

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
  // Once reaped, the process group's number may belong to somebody else.
  void Signal(int signal) {
    if (!exit_) ::kill(-pid_, signal);
  }

  std::optional<ScratchDirectory> scratch_;
  pid_t pid_;
  std::optional<ExitInfo> exit_;
};

// What the child needs, made before fork: between fork and exec only async-signal-safe calls are allowed.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* working_directory = nullptr;
  int input = -1;
  int log = -1;
  int failure = -1;  // errno is written here when exec fails; closed by a successful exec
  pid_t parent = 0;
};

[[noreturn]] void RunChild(const ChildPlan& plan) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before the line above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(plan.input, STDIN_FILENO) >= 0 && ::dup2(plan.log, STDOUT_FILENO) >= 0 &&
      ::dup2(plan.log, STDERR_FILENO) >= 0 &&
      (plan.working_directory == nullptr || ::chdir(plan.working_directory) == 0)) {
    ::execve(plan.argv[0], plan.argv.data(), plan.environment.data());
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(plan.failure, &error, sizeof error);
  ::_exit(127);
}

// Our own variables (faults, the level of the log), which ranks of this machine inherit. What is true of one host alone
// stays here.
void AddOurOwn(std::map<std::string, std::string>* environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (!name.starts_with("STILL_") || name == "STILL_HOST" || name.size() == text.size()) continue;
    environment->insert({name, text.substr(name.size() + 1)});
  }
}

// Without one a launch still works, as long as nobody's files are in its way.
std::optional<ScratchDirectory> ScratchOfLaunch() {
  Result<ScratchDirectory> made = ScratchDirectory::Create("/dev/shm", "still-mpirun-");
  if (!made.ok()) {
    LogWarn("Open MPI's files go where it likes: {}", made.status().message());
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

Result<std::unique_ptr<LaunchedJob>> StartProcess(const Command& command, const std::string& log_path,
                                                  const std::string& working_directory,
                                                  std::optional<ScratchDirectory> scratch) {
  FileDescriptor input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (input.get() < 0) return ErrnoStatus(errno, "cannot open", "/dev/null");
  FileDescriptor log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) return ErrnoStatus(errno, "cannot open the log", log_path);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe to", command.argv[0]);
  FileDescriptor failure_read(ends[0]);
  FileDescriptor failure_write(ends[1]);

  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment = MergedEnvironment(command.environment);
  ChildPlan plan{.argv = Pointers(argv),
                 .environment = Pointers(environment),
                 .working_directory = working_directory.empty() ? nullptr : working_directory.c_str(),
                 .input = input.get(),
                 .log = log.get(),
                 .failure = failure_write.get(),
                 .parent = ::getpid()};
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "cannot fork to start", argv[0]);
  if (pid == 0) RunChild(plan);
  ::setpgid(pid, pid);  // in both processes: whichever runs first, the group exists before anyone signals it
  failure_write.Close();
  auto child = std::make_unique<ChildProcess>(pid, std::move(scratch));

  int error = 0;
  ssize_t size = 0;
  do {
    size = ::read(failure_read.get(), &error, sizeof error);
  } while (size < 0 && errno == EINTR);
  if (size == sizeof error) return ErrnoStatus(error, "cannot execute", argv[0]);
  return std::unique_ptr<LaunchedJob>(std::move(child));
}

Result<std::unique_ptr<LaunchedJob>> LocalLauncher::Launch(const LaunchSpec& spec) {
  LaunchSpec local = spec;
  local.as_root = ::geteuid() == 0;
  if (!local.hosts.empty()) AddOurOwn(&local.environment);
  std::optional<ScratchDirectory> scratch = ScratchOfLaunch();
  if (scratch) local.scratch = scratch->path();
  return StartProcess(MpirunCommand(mpirun_, local), spec.log_path, spec.working_directory, std::move(scratch));
}

}  // namespace still::cluster
