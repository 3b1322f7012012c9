#include "cli/run_command.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "cli/programs.h"
#include "cli/progress_display.h"
#include "cli/report.h"
#include "cluster/inventory.h"
#include "cluster/local_launcher.h"
#include "common/config/config.h"
#include "common/config/pipeline_config.h"
#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/proto/config.pb.h"
#include "common/stop_signals.h"
#include "common/storage/files.h"

namespace still::cli {
namespace {

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// They run all the same, slower; a coordinator would not start them.
Status NoteOversubscription(const stillhouse::v1::PipelineConfig& config) {
  STILL_ASSIGN_OR_RETURN(const std::vector<cluster::HostSlots> here, cluster::LoadInventory(""));
  const std::uint64_t wanted = std::uint64_t{config.ranks()} * config.threads_per_rank();
  if (wanted <= here.front().slots) return Ok();
  fmt::print(
      stderr,
      "still: warning: {} ranks of {} threads want {} cores, this machine has {}: `still run` starts them all the "
      "same, but a coordinator with this machine alone would refuse them\n",
      config.ranks(), config.threads_per_rank(), wanted, here.front().slots);
  return Ok();
}

Status PrintPlan(const RunFlags& flags, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan) {
  STILL_RETURN_IF_ERROR(NoteOversubscription(config));
  if (!flags.json) {
    Print(PlanText(config.name(), plan) + "\neffective configuration\n" + ToYaml(config));
    return Ok();
  }
  STILL_ASSIGN_OR_RETURN(const std::string effective, ToJson(config));
  Print(PlanJson(config.name(), plan, effective));
  return Ok();
}

Status RunPlan(const RunFlags& flags, const stillhouse::v1::PipelineConfig& config, const coordinator::Plan& plan,
               coordinator::Stage last, const std::atomic<int>& stops) {
  STILL_ASSIGN_OR_RETURN(const std::string worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(const std::string mpirun, cluster::FindMpirun());
  cluster::LocalLauncher launcher(mpirun);
  ProgressDisplay display(stderr, isatty(STDERR_FILENO) != 0, Clock::System());
  coordinator::PipelineRun driver(config, worker, launcher, Clock::System(), display);
  STILL_ASSIGN_OR_RETURN(const auto outcomes, driver.Run(plan, stops, last));
  STILL_ASSIGN_OR_RETURN(const auto summary, coordinator::ReadRunSummary(ArtifactStore(config.artifacts()), plan));
  Print(flags.json ? RunJson(config.name(), plan, outcomes, summary) : "\n" + SummaryText(summary));
  return Ok();
}

Status Run(const RunFlags& flags) {
  // Warnings would tear a progress bar; the run's own failures are the command's result.
  InitLog("still", "", /*to_stderr=*/isatty(STDERR_FILENO) == 0);
  coordinator::Stage last = coordinator::Stage::kExport;
  if (!flags.until.empty()) {
    STILL_ASSIGN_OR_RETURN(last, coordinator::StageNamed(flags.until));
  }
  STILL_ASSIGN_OR_RETURN(stillhouse::v1::PipelineConfig config, LoadPipelineConfig(flags.config_path));
  if (flags.ranks) config.set_ranks(*flags.ranks);
  STILL_RETURN_IF_ERROR(CheckPipelineConfig(config));
  // The first stop ends the run in order, after the step and its checkpoint; the second one ends the workers at once.
  const std::atomic<int>& stops = CountStopSignals(/*most=*/2);
  STILL_ASSIGN_OR_RETURN(const coordinator::Plan plan, coordinator::PlanPipeline(&config));
  if (flags.check) return PrintPlan(flags, config, plan);
  if (!flags.json) Print(PlanText(config.name(), plan) + "\n");
  return RunPlan(flags, config, plan, last, stops);
}

}  // namespace

Status RunPipelineCommand(const RunFlags& flags) {
  if (flags.faults.empty()) return Run(flags);
  // In this process and in the workers, before either does anything.
  for (const std::string& fault : flags.faults)
    STILL_RETURN_IF_ERROR(CheckFaultSpecification(fault).WithContext("--fault"));
  STILL_RETURN_IF_ERROR(ArmFaults(fmt::format("{}", fmt::join(flags.faults, ","))).WithContext("--fault"));
  return Run(flags);
}

}  // namespace still::cli
