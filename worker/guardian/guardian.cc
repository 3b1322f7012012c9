#include "worker/guardian/guardian.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "worker/guardian/guardian_process.h"

namespace still::worker {
namespace {

constexpr int kSignals[] = {SIGCHLD, SIGUSR1, SIGTERM};

// The signal handlers use these. Both are 0 or null while there is no guardian.
std::atomic<pid_t> guardian_pid = 0;
std::atomic<SharedProgress*> shared_words = nullptr;
char stack_title[64];
static_assert(std::atomic<pid_t>::is_always_lock_free && std::atomic<SharedProgress*>::is_always_lock_free);

// The handlers make async-signal-safe calls only.

void OnChildDeath(int) {
  const int saved_errno = errno;
  const pid_t guardian = guardian_pid.load(std::memory_order_relaxed);
  int status = 0;
  if (guardian > 0 && waitpid(guardian, &status, WNOHANG) == guardian) raise(SIGKILL);
  errno = saved_errno;
}

void OnStackRequest(int, siginfo_t* info, void*) {
  const int saved_errno = errno;
  void* frames[64];
  const int depth = backtrace(frames, 64);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, stack_title, strlen(stack_title));
  backtrace_symbols_fd(frames, depth, STDERR_FILENO);
  if (info->si_pid == guardian_pid.load(std::memory_order_relaxed)) {
    if (SharedProgress* words = shared_words.load(std::memory_order_relaxed)) words->stack_dumped.store(1);
    while (true) pause();  // the guardian will kill this process: nothing more may happen here
  }
  errno = saved_errno;
}

void OnEndRequest(int) {
  if (SharedProgress* words = shared_words.load(std::memory_order_relaxed))
    words->drain.store(1, std::memory_order_relaxed);
}

class GuardianChild final : public Guardian {
 public:
  explicit GuardianChild(SharedProgress* words) : words_(words) {}

  // Installs the handlers, then forks, so that a death of the child in its first instant is noticed, too.
  Status Start(const GuardianOptions& options) {
    const pid_t rank = getpid();
    std::snprintf(stack_title, sizeof stack_title, "stack of rank %d (process %d):\n", options.rank, rank);
    void* frame = nullptr;
    backtrace(&frame, 1);  // loads its library while allocation is allowed
    shared_words = words_;

    sigset_t ours, before;
    sigemptyset(&ours);
    for (const int number : kSignals) sigaddset(&ours, number);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    Install();
    pid_ = fork();
    if (pid_ == 0) {
      for (const int number : kSignals) signal(number, SIG_IGN);
      pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
      RunGuardian(options, rank, words_);
    }
    const int fork_errno = errno;
    guardian_pid = pid_;
    pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);  // whatever the mask was before: a rank must receive these
    if (pid_ > 0) return Ok();
    return Error(Code::kResourceExhausted, "cannot start the guardian of rank {}: fork: {}", options.rank,
                 std::strerror(fork_errno));
  }

  ~GuardianChild() override {
    signal(SIGCHLD, SIG_DFL);  // first, because the end of this child is wanted
    guardian_pid = 0;
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    shared_words = nullptr;
    munmap(words_, sizeof(SharedProgress));
  }

  SharedProgress& words() override { return *words_; }
  int pid() const override { return pid_; }

 private:
  void Install() {
    struct sigaction actions[std::size(kSignals)] = {};
    actions[0].sa_handler = OnChildDeath;
    actions[0].sa_flags = SA_RESTART | SA_NOCLDSTOP;
    actions[1].sa_sigaction = OnStackRequest;
    actions[1].sa_flags = SA_RESTART | SA_SIGINFO;
    actions[2].sa_handler = OnEndRequest;
    actions[2].sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &actions[i], &before_[i]);
  }

  SharedProgress* const words_;
  pid_t pid_ = -1;
  struct sigaction before_[std::size(kSignals)] = {};
};

}  // namespace

Result<std::unique_ptr<Guardian>> Guardian::Start(const GuardianOptions& options) {
  STILL_CHECK(shared_words.load() == nullptr, "a process has one guardian");
  void* memory = mmap(nullptr, sizeof(SharedProgress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return Error(Code::kResourceExhausted, "cannot share {} bytes with the guardian of rank {}: mmap: {}",
                 sizeof(SharedProgress), options.rank, std::strerror(errno));
  auto* words = new (memory) SharedProgress{};
  const auto now = Clock::System().Now().time_since_epoch();
  words->marks.last_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  auto guardian = std::make_unique<GuardianChild>(words);
  STILL_RETURN_IF_ERROR(guardian->Start(options));
  return std::unique_ptr<Guardian>(std::move(guardian));
}

}  // namespace still::worker
