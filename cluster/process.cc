#include "cluster/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "common/storage/file_descriptor.h"
#include "common/storage/files.h"

namespace still::cluster {
namespace {

constexpr int kHeldAs = 3;
constexpr int kAboveTheUsual = 10;  // neither a standard descriptor nor kHeldAs

// The data that the child needs. It is made before fork, because only async-signal-safe calls are allowed between fork
// and exec.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const ProcessOptions& options;
  pid_t parent = 0;
  int failure = -1;  // a Failure is written here when exec fails; a successful exec closes it
};

// The reason why the child could not execute. The pointers are valid in both processes, which had one memory before the
// fork.
struct Failure {
  int error = 0;
  const char* action = nullptr;
  const char* path = nullptr;
};

// Makes `target` the same open file as `source`, and open across exec. dup2 does not clear the flag when both are one.
bool Install(int source, int target) { return ::dup2(source, target) >= 0 && ::fcntl(target, F_SETFD, 0) == 0; }

// Leaves the child with its standard descriptors, the held one and, until exec, the pipe for failures.
bool CloseOthers(const ChildPlan& plan) {
  const int first = plan.options.held_fd >= 0 ? kHeldAs + 1 : kHeldAs;
  return ::close_range(static_cast<unsigned>(first), static_cast<unsigned>(plan.failure) - 1, 0) == 0 &&
         ::close_range(static_cast<unsigned>(plan.failure) + 1, UINT_MAX, 0) == 0;
}

void LeaveParent(const ChildPlan& plan) {
  if (plan.options.lifetime == Lifetime::kDetached) {
    ::setsid();
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    return;
  }
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before the line above
}

// Returns only when something failed; errno says why.
Failure Execute(const ChildPlan& plan) {
  const ProcessOptions& options = plan.options;
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || !Install(input, STDIN_FILENO)) return {errno, "cannot open", "/dev/null"};
  const int log = ::open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, options.log_mode);
  if (log < 0 || !Install(log, STDOUT_FILENO) || !Install(log, STDERR_FILENO))
    return {errno, "cannot open the log", options.log_path.c_str()};
  const bool held = options.held_fd < 0 || Install(options.held_fd, kHeldAs);
  if (!held || (options.lifetime == Lifetime::kDetached && !CloseOthers(plan)))
    return {errno, "cannot arrange the descriptors of", plan.argv[0]};
  if (!options.working_directory.empty() && ::chdir(options.working_directory.c_str()) != 0)
    return {errno, "cannot change to the directory", options.working_directory.c_str()};
  ::execve(plan.argv[0], plan.argv.data(), plan.environment.data());
  return {errno, "cannot execute", plan.argv[0]};
}

[[noreturn]] void RunChild(const ChildPlan& plan) {
  LeaveParent(plan);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const Failure failure = Execute(plan);
  [[maybe_unused]] const ssize_t written = ::write(plan.failure, &failure, sizeof failure);
  ::_exit(127);
}

// Returns this process's environment with `additions`, which win: "NAME=value" each.
std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& additions) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!additions.contains(text.substr(0, text.find('=')))) merged.push_back(text);
  }
  for (const auto& [name, value] : additions) merged.push_back(fmt::format("{}={}", name, value));
  return merged;
}

// Returns pointers into `texts`, which must outlive them unchanged, and a final null.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Waits until the child executed its program or failed to. `error` is 0 when it was executed.
Failure ReadFailure(const FileDescriptor& pipe) {
  Failure failure;
  ssize_t size = 0;
  do {
    size = ::read(pipe.get(), &failure, sizeof failure);
  } while (size < 0 && errno == EINTR);
  return size == sizeof failure ? failure : Failure{};
}

}  // namespace

Result<pid_t> StartProcess(const Command& command, const ProcessOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe to", command.argv[0]);
  const FileDescriptor failure_read(ends[0]);
  FileDescriptor low(ends[1]);
  FileDescriptor failure_write(::fcntl(low.get(), F_DUPFD_CLOEXEC, kAboveTheUsual));
  low.Close();
  if (!failure_write.valid()) return ErrnoStatus(errno, "cannot make a pipe to", command.argv[0]);

  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment = MergedEnvironment(command.environment);
  const ChildPlan plan{.argv = Pointers(argv),
                       .environment = Pointers(environment),
                       .options = options,
                       .parent = ::getpid(),
                       .failure = failure_write.get()};
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "cannot fork to start", argv[0]);
  if (pid == 0) RunChild(plan);
  // Both processes do this: whichever runs first, the group exists before the parent signals it.
  if (options.lifetime == Lifetime::kBound) ::setpgid(pid, pid);
  failure_write.Close();
  const Failure failure = ReadFailure(failure_read);
  if (failure.error == 0) return pid;
  ::waitpid(pid, nullptr, 0);
  return ErrnoStatus(failure.error, failure.action, failure.path);
}

}  // namespace still::cluster
