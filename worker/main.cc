// still-worker is one rank of a stage. mpirun starts it, and the task file says what to do.
//
// The exit code is 0 when the stage is done, or when it stopped because it was asked to. After any failure the process
// logs and reports it, then ends by SIGKILL: under a fault-tolerant mpirun an exit code would leave the other ranks
// waiting, but a signal is noticed.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "common/environment.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/stage_facts.h"
#include "common/status.h"
#include "common/storage/scratch_directory.h"
#include "worker/collective/mpi_communicator.h"
#include "worker/control/attach.h"
#include "worker/control/control_link.h"
#include "worker/control/stages.h"
#include "worker/control/task.h"
#include "worker/device/device.h"
#include "worker/guardian/guardian.h"
#include "worker/model/exception_status.h"
#include "worker/model/torch_runtime.h"

namespace still::worker {
namespace {

Status RunStage(const StageContext& context) {
  switch (context.task.stage()) {
    case v1::STAGE_CORPUS: return RunCorpusStage(context.task, context.control, context.progress);
    case v1::STAGE_TEACHER: return RunTeacherStage(context);
    case v1::STAGE_TARGETS: return RunTargetsStage(context);
    case v1::STAGE_TRAIN: return RunTrainStage(context);
    case v1::STAGE_EVALUATE: return RunEvaluateStage(context);
    case v1::STAGE_EXPORT: return RunExportStage(context);
    default: STILL_CHECK(false, "LoadTask lets no other stage pass");
  }
}

// Runs the stage. LibTorch reports its failures by exceptions, which become statuses like those of the stages.
Status RunStageCatching(const StageContext& context) {
  try {
    return RunStage(context);
  } catch (const std::exception& e) {
    return StatusOfException(e).WithContext(EnumWord(context.task.stage()));
  }
}

// Reports the failure to the log and to the coordinator, then ends this process by the signal that other ranks notice.
[[noreturn]] void Die(ControlLink* control, const Status& status) {
  LogError("{}", status.ToString());
  if (control != nullptr) control->ReportResult(status);
  raise(SIGKILL);
  std::abort();
}

// Holds the scratch directory of this launch on this host, and removes what killed launches left behind. Returns none
// when mpirun was started by hand, because such a launch has no scratch directory.
std::optional<ScratchDirectory> HoldScratch() {
  const std::string path = EnvironmentValue(kScratchVariable);
  if (path.empty()) return std::nullopt;
  Result<ScratchDirectory> held = ScratchDirectory::Hold(path);
  const Status status = held.ok() ? held->RemoveAbandoned() : held.status();
  if (!status.ok()) LogWarn("{}", status.message());
  return held.ok() ? std::optional(*std::move(held)) : std::nullopt;
}

// Returns the rank that mpirun gave this process. It is known before MPI_Init, before which the guardian must be
// forked.
int LaunchRank() {
  return std::atoi(EnvironmentValue("OMPI_COMM_WORLD_RANK").c_str());  // 0 when it is not set
}

Result<std::unique_ptr<Guardian>> StartGuardian(const v1::WorkerTask& task) {
  const v1::RecoveryConfig& recovery = task.config().recovery();
  return Guardian::Start({.endpoint = task.endpoint(),
                          .keys = KeysOf(task),
                          .generation = task.generation(),
                          .rank = LaunchRank(),
                          .log_name = fmt::format("{}/guardian-{}", EnumWord(task.stage()), LaunchRank()),
                          .hang = {.floor_seconds = recovery.hang_seconds(), .factor = recovery.hang_factor()},
                          .orphan_seconds = recovery.orphan_seconds()});
}

// Waits in the last barrier, reports the outcome and ends MPI. The stage is done even if another rank is found dead
// here.
void ShutDown(std::unique_ptr<MpiEnvironment> mpi, ControlLink& control, ProgressWriter& progress,
              const Status& outcome) {
  progress.Enter(v1::PHASE_SHUTDOWN);
  const Status together = mpi->world().Barrier();
  if (const Status fault = FaultPoint("shutdown"); !fault.ok()) LogWarn("{}", fault.message());
  if (mpi->world().rank() == 0) control.ReportResult(outcome);
  if (!together.ok()) {
    LogWarn("a rank died when the work was done: {}", together.message());
    _exit(0);  // MPI_Finalize would wait for it
  }
}

int Run(int argc, char** argv, const std::string& task_path) {
  const Result<v1::WorkerTask> task = LoadTask(task_path);
  InitLog(fmt::format("{}/rank-{}", task.ok() ? EnumWord(task->stage()) : "worker", LaunchRank()));
  if (!task.ok()) Die(nullptr, task.status());
  SetFaultScope(EnumWord(task->stage()));
  const auto scratch = HoldScratch();  // the guardian, a child process, holds it, too
  const auto guardian = StartGuardian(*task);
  if (!guardian.ok()) Die(nullptr, guardian.status());
  ProgressWriter progress(&(*guardian)->words());
  const ProgressScope marks(&(*guardian)->words().marks);
  progress.Enter(v1::PHASE_START);

  auto mpi = MpiEnvironment::Initialise(&argc, &argv, task->recovery() == v1::RECOVERY_MODE_INPLACE);
  if (!mpi.ok()) Die(nullptr, mpi.status());
  if (task->stage() != v1::STAGE_CORPUS) {
    PrepareTorch(task->config().threads_per_rank());
    if (const Status opened = OpenDevice(task->config().worker().device()); !opened.ok()) Die(nullptr, opened);
  }
  const int rank = (*mpi)->world().rank();
  Result<std::unique_ptr<ControlLink>> control =
      ConnectControlLink(task->endpoint(), task->generation(), rank, {.keys = KeysOf(*task)});
  if (!control.ok()) Die(nullptr, control.status());

  progress.Enter(Trains(task->stage()) ? v1::PHASE_START : v1::PHASE_LOAD);
  const Status status = RunStageCatching({*task, (*mpi)->world(), **control, progress});
  if (!status.ok() && status.code() != Code::kCancelled) Die(control->get(), status);
  ShutDown(std::move(*mpi), **control, progress, status);
  return 0;
}

// Turns this process into a worker of the task that the coordinator has for it. Returns only when that fails.
int Attach(const char* program, const AttachOptions& options) {
  const Result<std::string> task = FetchTask(options);
  if (!task.ok()) {
    fmt::print(stderr, "still-worker: error: {}\n", task.status().message());
    return ExitCode(task.status());
  }
  execl("/proc/self/exe", program, "--task", task->c_str(), static_cast<char*>(nullptr));
  std::perror("still-worker: error: cannot become a worker");
  return 70;
}

}  // namespace
}  // namespace still::worker

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);    // a launcher that was killed leaves no ranks behind
  prctl(PR_SET_NAME, "still-worker");  // an attached one was executed by way of /proc/self/exe, and is called exe

  CLI::App app(
      "Runs one rank of a Stillhouse stage. It is started by mpirun: that of `still run`, of a coordinator's job, or "
      "yours.",
      "still-worker");
  std::string task_path;
  still::worker::AttachOptions attach;
  CLI::Option* task = app.add_option("--task", task_path, "Task file that an agent wrote (WorkerTask as JSON)");
  CLI::Option* job = app.add_option("--job", attach.job, "Take this job, as part of a manual mpirun")->excludes(task);
  app.add_option("--coordinator", attach.coordinator, "Endpoint of the coordinator that has the job: tcp://host:5600")
      ->needs(job);
  app.add_option("--keys", attach.keys,
                 "Directory of its client keys (default: $STILL_KEYS, else that of the state directory)")
      ->needs(job)
      ->type_name("DIR");
  job->needs("--coordinator");
  app.set_version_flag("--version", "still-worker " STILLHOUSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "still-worker: error: {} (`still-worker --help` shows the usage)\n", e.what());
    return 2;
  }
  if (job->count() > 0) return still::worker::Attach(argv[0], attach);
  if (task->count() == 0) {
    std::fputs("still-worker: error: nothing to do; pass --task, or --coordinator and --job\n", stderr);
    return 2;
  }
  return still::worker::Run(argc, argv, task_path);
}
