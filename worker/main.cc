// still-worker: one rank of a stage. mpirun starts it; the task file says what to do.
#include <signal.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <memory>
#include <string>

#include "common/log.h"
#include "common/status.h"
#include "worker/collective/mpi_communicator.h"
#include "worker/control_link.h"
#include "worker/exception_status.h"
#include "worker/stages.h"
#include "worker/task.h"
#include "worker/torch_runtime.h"

namespace still::worker {
namespace {

Status RunStage(const StageContext& context) {
  switch (context.task.stage) {
    case Stage::kTeacher: return RunTeacherStage(context);
    case Stage::kTargets: return RunTargetsStage(context);
    case Stage::kTrain: return RunTrainStage(context);
    case Stage::kEvaluate: return RunEvaluateStage(context);
    case Stage::kExport: return RunExportStage(context);
  }
  STILL_CHECK(false, "a stage nobody runs");
}

// LibTorch reports its failures by exceptions; the stages' own are statuses. Both end here.
Status RunStageCatching(const StageContext& context) {
  try {
    return RunStage(context);
  } catch (const std::exception& e) {
    return StatusOfException(e).WithContext(StageName(context.task.stage));
  }
}

// Says what went wrong wherever somebody may listen, then ends the whole launch: peers would wait for this rank for
// ever.
int Fail(MpiEnvironment& mpi, ControlLink* control, const Status& status) {
  LogError("{}", status.ToString());
  if (control != nullptr) control->ReportResult(status);
  const int exit_code = ExitCode(status);
  mpi.Abort(exit_code);
  return exit_code;
}

int Run(MpiEnvironment& mpi, const std::string& task_path) {
  const int rank = mpi.world().rank();
  const Result<Task> task = LoadTask(task_path);
  InitLog(fmt::format("{}/rank-{}", task.ok() ? StageName(task->stage) : "worker", rank));
  if (!task.ok()) return Fail(mpi, nullptr, task.status());
  PrepareTorch(task->threads);

  Result<std::unique_ptr<ControlLink>> control = ConnectControlLink(task->endpoint, task->generation, rank);
  if (!control.ok()) return Fail(mpi, nullptr, control.status());

  Status status = RunStageCatching({*task, mpi.world(), **control});
  if (status.ok()) status = mpi.world().Barrier();
  if (!status.ok()) return Fail(mpi, control->get(), status);
  if (rank == 0) (*control)->ReportResult(Ok());
  return 0;
}

}  // namespace
}  // namespace still::worker

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a launcher that was killed leaves no ranks behind

  CLI::App app("One rank of a Stillhouse stage; started by mpirun, by way of `still run`.", "still-worker");
  std::string task_path;
  app.add_option("--task", task_path, "task file written by the driver (WorkerTask as JSON)")->required();
  app.set_version_flag("--version", "still-worker " STILLHOUSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }

  auto mpi = still::worker::MpiEnvironment::Initialise(&argc, &argv);
  if (!mpi.ok()) {
    still::InitLog("worker");
    still::LogError("{}", mpi.status().ToString());
    return still::ExitCode(mpi.status());
  }
  return still::worker::Run(**mpi, task_path);
}
