#include "cli/run_command.h"

#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "cli/programs.h"
#include "cli/progress_display.h"
#include "cli/report.h"
#include "cluster/local_launcher.h"
#include "common/config.h"
#include "common/fault_point.h"
#include "common/files.h"
#include "common/log.h"
#include "common/pipeline_config.h"
#include "common/proto/config.pb.h"

namespace still::cli {
namespace {

std::atomic<int> stops_requested{0};
static_assert(std::atomic<int>::is_always_lock_free, "set while a signal is handled");

// The first interrupt stops the run in order, after the step and its checkpoint; the second one ends the workers at
// once; the third one ends this process as if nothing had been said here.
void StopOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    if (++stops_requested < 2) return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
  };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// In this process and in the workers, before either does anything.
Status Arm(const std::vector<std::string>& faults) {
  if (faults.empty()) return Ok();
  for (const std::string& fault : faults) STILL_RETURN_IF_ERROR(CheckFaultSpecification(fault).WithContext("--fault"));
  return ArmFaults(fmt::format("{}", fmt::join(faults, ",")));
}

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

Status PrintPlan(const RunFlags& flags, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan) {
  if (!flags.json) {
    Print(PlanText(config.name(), plan) + "\neffective configuration\n" + ToYaml(config));
    return Ok();
  }
  STILL_ASSIGN_OR_RETURN(const std::string effective, ToJson(config));
  Print(PlanJson(config.name(), plan, effective));
  return Ok();
}

Status RunPlan(const RunFlags& flags, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan) {
  STILL_ASSIGN_OR_RETURN(const std::string worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(const std::string mpirun, cluster::FindMpirun());
  cluster::LocalLauncher launcher(mpirun);
  ProgressDisplay display(stderr, isatty(STDERR_FILENO) != 0, Clock::System());
  coordinator::PipelineRun driver(config, worker, launcher, Clock::System(), display);
  coordinator::Stage last = coordinator::Stage::kExport;
  if (!flags.until.empty()) {
    STILL_ASSIGN_OR_RETURN(last, coordinator::StageNamed(flags.until));
  }
  STILL_ASSIGN_OR_RETURN(const auto outcomes, driver.Run(plan, stops_requested, last));
  STILL_ASSIGN_OR_RETURN(const auto summary, coordinator::ReadRunSummary(ArtifactStore(config.artifacts()), plan));
  Print(flags.json ? RunJson(config.name(), plan, outcomes, summary) : "\n" + SummaryText(summary));
  return Ok();
}

}  // namespace

Status RunPipelineCommand(const RunFlags& flags) {
  STILL_RETURN_IF_ERROR(Arm(flags.faults));
  // Warnings would tear a progress bar; the run's own failures are the command's result.
  InitLog("still", "", /*to_stderr=*/isatty(STDERR_FILENO) == 0);
  STILL_ASSIGN_OR_RETURN(stillhouse::v1::PipelineConfig config, LoadPipelineConfig(flags.config_path));
  if (flags.ranks) config.set_ranks(*flags.ranks);
  STILL_RETURN_IF_ERROR(CheckPipelineConfig(config));
  StopOnInterrupt();
  STILL_ASSIGN_OR_RETURN(const coordinator::Plan plan, coordinator::PlanPipeline(&config));
  if (flags.check) return PrintPlan(flags, config, plan);
  if (!flags.json) Print(PlanText(config.name(), plan) + "\n");
  return RunPlan(flags, config, plan);
}

}  // namespace still::cli
