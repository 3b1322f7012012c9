#include "worker/guardian/guardian_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/death_text.h"
#include "common/host_name.h"
#include "common/log.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/storage/files.h"

namespace still::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookInterval(100);
constexpr milliseconds kHeartbeatInterval(200);
constexpr milliseconds kStackPatience(1000);
// Looks this far apart mean that this process did not run. What it did not see is not held against the rank.
constexpr std::chrono::seconds kAbsence(1);

// Returns the first bytes of /proc/<pid>/<name>, or nothing when it cannot be read.
std::string ReadProc(pid_t pid, const char* name) {
  const int fd = open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char bytes[512];
  const ssize_t size = read(fd, bytes, sizeof bytes);
  close(fd);
  return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : "";
}

// Returns the state of a process or thread: 'T' when it is stopped, 'D' when it waits for a disk, '?' when it is gone.
char StateOf(pid_t pid, const char* stat_file) {
  const std::string stat = ReadProc(pid, stat_file);  // "17 (name) T ...": the name may hold anything
  const std::size_t name_end = stat.rfind(')');
  return name_end != stat.npos && name_end + 2 < stat.size() ? stat[name_end + 2] : '?';
}

// Returns true when any thread of the process waits for a disk. Threads may read and write for the one that works.
bool WaitsForDisk(pid_t pid) {
  const Result<std::vector<std::string>> threads = ListDirectory(fmt::format("/proc/{}/task", pid));
  return threads.ok() && std::ranges::any_of(*threads, [pid](const std::string& thread) {
           return StateOf(pid, fmt::format("task/{}/stat", thread).c_str()) == 'D';
         });
}

// Returns where the rank is, for example "compute of step 17, microbatch 3".
std::string PositionText(const v1::Heartbeat& seen) {
  if (seen.phase() == v1::PHASE_INFERENCE)
    return fmt::format("{}, batch {}", EnumWord(seen.phase()), seen.microbatch());
  const std::string place = PlaceText(seen.phase(), seen.step());
  const bool in_microbatch = seen.phase() == v1::PHASE_DATA || seen.phase() == v1::PHASE_COMPUTE;
  return in_microbatch ? fmt::format("{}, microbatch {}", place, seen.microbatch()) : place;
}

class Watch {
 public:
  Watch(const GuardianOptions& options, pid_t rank, SharedProgress* words, std::unique_ptr<RpcClient> client)
      : options_(options), rank_(rank), words_(words), client_(std::move(client)) {
    seen_.set_host(HostName());
    seen_.set_pid(static_cast<std::uint32_t>(rank));
  }

  [[noreturn]] void Run() {
    while (true) {
      const Clock::TimePoint now = clock_.Now();
      if (now - last_look_ > kAbsence) present_since_ = now;
      last_look_ = now;
      Look(now);
      if (now >= next_heartbeat_) {
        SendHeartbeat();
        next_heartbeat_ = now + kHeartbeatInterval;
      }
      const double silent_seconds = SecondsSince(clock_, std::max(last_reply_, present_since_));
      if (silent_seconds > options_.orphan_seconds) EndOrphan(silent_seconds);
      if (getppid() != rank_) EndWithRank(now);
      TakeMessagesUntil(now + kLookInterval);
    }
  }

 private:
  void Look(Clock::TimePoint now) {
    // The phase is read first, because the writer stores the time before the phase.
    seen_.set_phase(static_cast<v1::Phase>(words_->phase.load(std::memory_order_acquire)));
    seen_.set_step(words_->step.load(std::memory_order_relaxed));
    seen_.set_microbatch(words_->microbatch.load(std::memory_order_relaxed));
    const Clock::TimePoint progressed(std::chrono::nanoseconds(words_->marks.last_ns.load(std::memory_order_relaxed)));
    seen_.set_phase_seconds(std::chrono::duration<double>(now - progressed).count());

    RankSighting sighting{.phase = seen_.phase(),
                          .p99_seconds = P99Seconds(words_->histograms[static_cast<std::size_t>(seen_.phase())]),
                          .stopped = StateOf(rank_, "stat") == 'T'};
    if (!sighting.stopped) stopped_since_.reset();
    if (sighting.stopped && !stopped_since_) stopped_since_ = now;
    // A disk may be slow for minutes, or a file server away, while the work is healthy.
    const bool overdue = seen_.phase_seconds() > options_.hang.floor_seconds;
    if (overdue && FactsOf(seen_.phase()).shows_progress && WaitsForDisk(rank_)) on_disk_ = now;
    // A stop counts from when it was seen: a rank that had waited long before may be stopped for a moment only.
    const Clock::TimePoint quiet_since =
        std::max({progressed, present_since_, on_disk_, stopped_since_.value_or(progressed)});
    sighting.quiet_seconds = std::chrono::duration<double>(now - quiet_since).count();

    const HangVerdict verdict = Judge(sighting, options_.hang);
    // Only the second suspicion in a row counts: the words are read one by one, and a rank may move in between.
    const bool suspected_before = std::exchange(suspected_, verdict != HangVerdict::kFine);
    if (suspected_ && suspected_before) EndHang(verdict, sighting);
  }

  void SendHeartbeat() {
    v1::Envelope envelope;
    *envelope.mutable_heartbeat() = seen_;
    Send(&envelope);
  }

  void TakeMessagesUntil(Clock::TimePoint until) {
    while (true) {
      const auto left = std::chrono::ceil<milliseconds>(until - clock_.Now());
      if (left <= milliseconds::zero() || getppid() != rank_) return;
      const Result<std::optional<std::string>> payload = client_->Receive(left);
      if (!payload.ok()) {
        LogWarn("cannot receive from the coordinator: {}", payload.status().message());
        clock_.SleepFor(left);
        return;
      }
      v1::Envelope envelope;
      if (!*payload || !envelope.ParseFromString(**payload)) continue;
      last_reply_ = clock_.Now();
      if (envelope.heartbeat_reply().drain() && words_->drain.load() == 0) {
        LogInfo("rank {} is asked to finish its step and end", options_.rank);  // logged before the rank can end
        words_->drain.store(1);
      }
      if (envelope.has_fenced()) EndFenced(envelope.fenced().current_generation());
    }
  }

  [[noreturn]] void EndHang(HangVerdict verdict, const RankSighting& sighting) {
    const std::string waits_in = ReadProc(rank_, "wchan");  // before the signal handler waits elsewhere
    // Both signals are pending when a stopped rank wakes, so it enters the handler and goes nowhere else.
    syscall(SYS_tgkill, rank_, rank_, SIGUSR1);
    if (verdict == HangVerdict::kStopped) kill(rank_, SIGCONT);
    const Clock::TimePoint asked = clock_.Now();
    while (words_->stack_dumped.load(std::memory_order_acquire) == 0 && clock_.Now() - asked < kStackPatience)
      clock_.SleepFor(milliseconds(10));

    const bool stopped = verdict == HangVerdict::kStopped;
    const bool dumped = words_->stack_dumped.load(std::memory_order_acquire) != 0;
    const bool waits = !waits_in.empty() && waits_in != "0";  // "0" means that it runs
    LogError("rank {} {} in {}, for {:.1f} s (limit {:.1f} s){}: it is killed; {}", options_.rank,
             stopped ? "is stopped" : "hangs", PositionText(seen_), sighting.quiet_seconds,
             HangLimitSeconds(sighting, options_.hang), waits ? ", in " + waits_in + " of the kernel" : "",
             dumped ? "its stack is above" : "it did not answer with its stack");
    End(stopped ? v1::DEATH_CAUSE_STOPPED : v1::DEATH_CAUSE_HUNG);
  }

  [[noreturn]] void EndFenced(std::uint64_t current_generation) {
    LogWarn("rank {} of generation {} is fenced in {}: the coordinator is at generation {}: it is killed",
            options_.rank, options_.generation, PositionText(seen_), current_generation);
    End(v1::DEATH_CAUSE_FENCED);
  }

  [[noreturn]] void EndOrphan(double silent_seconds) {
    LogError(
        "no answer from the coordinator at {} for {:.1f} s (limit {:.1f} s): rank {}, in {}, is killed; what it "
        "published is kept",
        options_.endpoint, silent_seconds, options_.orphan_seconds, options_.rank, PositionText(seen_));
    End(v1::DEATH_CAUSE_ORPHANED);
  }

  // Reports a rank that died by itself. The shared memory still says where it was.
  [[noreturn]] void EndWithRank(Clock::TimePoint now) {
    Look(now);
    End(v1::DEATH_CAUSE_DIED);
  }

  [[noreturn]] void End(v1::DeathCause cause) {
    v1::Envelope envelope;
    v1::RankKilled& killed = *envelope.mutable_rank_killed();
    killed.set_cause(cause);
    killed.set_phase(seen_.phase());
    killed.set_step(seen_.step());
    killed.set_phase_seconds(seen_.phase_seconds());
    Send(&envelope);
    client_.reset();  // waits briefly until the message is sent
    if (getppid() == rank_) kill(rank_, SIGKILL);
    _exit(0);
  }

  void Send(v1::Envelope* envelope) {
    envelope->set_generation(options_.generation);
    envelope->set_rank(static_cast<std::uint32_t>(options_.rank));
    // A lost message is not sent again: the next heartbeat says the same, and silence has its own limit.
    if (const Status sent = client_->Send(envelope->SerializeAsString()); !sent.ok()) LogDebug("{}", sent.message());
  }

  const GuardianOptions& options_;
  const pid_t rank_;
  SharedProgress* const words_;
  std::unique_ptr<RpcClient> client_;
  Clock& clock_ = Clock::System();
  Clock::TimePoint present_since_ = clock_.Now();
  Clock::TimePoint last_look_ = present_since_;
  Clock::TimePoint last_reply_ = present_since_;
  Clock::TimePoint next_heartbeat_ = present_since_;
  v1::Heartbeat seen_;        // where the rank was at the last look
  bool suspected_ = false;    // then
  Clock::TimePoint on_disk_;  // when it last waited for a disk in a phase that shows progress
  std::optional<Clock::TimePoint> stopped_since_;
};

}  // namespace

void RunGuardian(const GuardianOptions& options, pid_t rank, SharedProgress* words) {
  // This signal only interrupts what this process waits for when its rank dies.
  signal(SIGUSR2, [](int) {});
  prctl(PR_SET_PDEATHSIG, SIGUSR2);
  if (getppid() != rank) _exit(0);  // the rank died before that took effect
  prctl(PR_SET_NAME, "still-guardian");
  // mpirun signals the process group of its child. Those signals are meant for the rank.
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) signal(signal_number, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  InitLog(options.log_name);

  Result<std::unique_ptr<RpcClient>> client = RpcClient::Connect(
      options.endpoint, fmt::format("{}.{}.{}.guardian", options.generation, options.rank, rank), options.keys);
  if (!client.ok()) {
    LogError("rank {} cannot be guarded and ends: {}", options.rank, client.status().message());
    _exit(1);
  }
  Watch(options, rank, words, *std::move(client)).Run();
}

}  // namespace still::worker
