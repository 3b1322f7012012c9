// still submit: gives a pipeline or a sweep to the coordinator, and may wait for it.
#include <fmt/ranges.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/pipeline_wait.h"
#include "cli/registration.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "common/config/pipeline_config.h"
#include "common/stage_facts.h"
#include "coordinator/plan/expand.h"
#include "coordinator/scheduler/fit.h"

namespace still::cli {
namespace {

using coordinator::Expansion;
using nlohmann::ordered_json;

struct Options {
  ConnectionOptions connection;
  std::string config_path;
  std::int32_t priority = 0;
  bool hold = false;
  bool attach = false;
  std::optional<std::uint32_t> ranks;
  std::string time_limit;  // "2h"; empty: none
  std::uint32_t retries = 3;
  bool wait = false;
  bool json = false;
  bool check = false;
};

// One submission as it is shown. `ids` is empty before it is sent.
struct Submission {
  std::string pipeline_name;
  std::uint64_t pipeline = 0;
  std::vector<std::uint64_t> ids;
  Expansion expansion;

  std::string IdOf(std::size_t job) const {
    return ids.empty() ? fmt::format("#{}", job + 1) : fmt::to_string(ids[job]);
  }
};

std::string TextOf(const Submission& submission) {
  Table table({{"ID", Align::kRight}, {"NAME"}, {"RANKS", Align::kRight}, {"AFTER"}, {"ARTIFACT"}, {"ACTION"}});
  const auto& jobs = submission.expansion.submit.jobs();
  for (int i = 0; i < jobs.size(); ++i) {
    const v1::JobSpec& job = jobs[i];
    std::vector<std::string> after;
    for (const std::uint64_t position : job.depends_on()) after.push_back(submission.IdOf(position - 1));
    const auto at = static_cast<std::size_t>(i);
    table.Add({submission.IdOf(at), job.name(), fmt::to_string(job.ranks()), fmt::format("{}", fmt::join(after, " ")),
               fmt::format("{}/{}", ArtifactKind(job.stage()), job.digest()),
               submission.expansion.exists[at] ? "reuse" : "build"});
  }
  return table.Text();
}

ordered_json JsonOf(const Submission& submission) {
  ordered_json json = {
      {"name", submission.pipeline_name}, {"pipeline", submission.pipeline}, {"jobs", ordered_json::array()}};
  const auto& jobs = submission.expansion.submit.jobs();
  for (int i = 0; i < jobs.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ordered_json job = {{"id", submission.ids.empty() ? 0 : submission.ids[at]},
                        {"name", jobs[i].name()},
                        {"artifact", fmt::format("{}/{}/{}", jobs[i].artifacts_root(), ArtifactKind(jobs[i].stage()),
                                                 jobs[i].digest())},
                        {"action", submission.expansion.exists[at] ? "reuse" : "build"},
                        {"ranks", jobs[i].ranks()},
                        {"depends_on", ordered_json::array()}};
    for (const std::uint64_t position : jobs[i].depends_on())
      job["depends_on"].push_back(submission.ids.empty() ? position : submission.ids[position - 1]);
    json["jobs"].push_back(std::move(job));
  }
  return json;
}

Result<Submission> Prepare(const Options& options) {
  const coordinator::SubmitOptions submit{.key = coordinator::DrawKey(),
                                          .owner = coordinator::UserName(),
                                          .priority = options.priority,
                                          .held = options.hold,
                                          .attach = options.attach,
                                          .retries = options.retries};
  std::optional<double> limit_minutes;
  if (!options.time_limit.empty()) {
    Result<std::int64_t> limit = ParseDurationMs(options.time_limit);
    if (!limit.ok()) return limit.status().WithContext("--time-limit");
    limit_minutes = static_cast<double>(*limit) / 60'000;
  }
  STILL_ASSIGN_OR_RETURN(std::vector<PipelineVariant> variants, LoadPipelineSweep(options.config_path));
  for (PipelineVariant& variant : variants) {
    if (limit_minutes) {
      variant.config.mutable_time_limit_minutes()->set_general(*limit_minutes);
      if (Status checked = CheckPipelineConfig(variant.config); !checked.ok())
        return checked.WithContext("--time-limit " + options.time_limit);
    }
    if (options.ranks) variant.config.set_ranks(*options.ranks);
    STILL_RETURN_IF_ERROR(CheckPipelineConfig(variant.config));
  }
  STILL_ASSIGN_OR_RETURN(const auto planned, coordinator::PlanVariants(variants));
  Submission submission{.pipeline_name = variants[0].config.name()};
  STILL_ASSIGN_OR_RETURN(submission.expansion, ExpandPipelines(submission.pipeline_name, planned, submit));
  return submission;
}

Status Send(coordinator::CoordinatorClient& client, Submission* submission) {
  v1::ClientRequest request;
  *request.mutable_submit() = submission->expansion.submit;
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client.Call(std::move(request)));
  if (reply.jobs_size() != submission->expansion.submit.jobs_size())
    return Error(Code::kInternal, "the coordinator took {} of {} jobs; is its version another one?", reply.jobs_size(),
                 submission->expansion.submit.jobs_size());
  submission->pipeline = reply.pipeline();
  submission->ids.assign(reply.jobs().begin(), reply.jobs().end());
  return Ok();
}

// Refuses, in the coordinator's words, a job that its hosts can never hold. Without a coordinator says on stderr that
// nothing was checked.
Status CheckFits(const Options& options, const v1::Submit& submit) {
  const auto hosts = [&]() -> Result<v1::View> {
    STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
    return Ask(*client, {.view = v1::VIEW_KIND_NODES});
  }();
  if (!hosts.ok()) {
    fmt::print(stderr, "still: warning: did not check whether the hosts can hold the jobs: {}\n",
               hosts.status().message());
    return Ok();
  }
  std::vector<std::uint32_t> slots;
  for (const v1::HostView& host : hosts->hosts()) slots.push_back(host.slots());
  for (int i = 0; i < submit.jobs_size(); ++i)
    STILL_RETURN_IF_ERROR(coordinator::CheckFit(submit.jobs(i), i + 1, slots));
  return Ok();
}

void AddStates(const std::vector<v1::JobView>& ended, ordered_json* json) {
  for (ordered_json& job : (*json)["jobs"]) {
    for (const v1::JobView& row : ended) {
      if (job["id"] != row.id()) continue;
      job["state"] = EnumWord(row.state());
      job["cause"] = EnumWord(row.cause());
      job["message"] = row.message();
    }
  }
}

// With `wait`, returns the outcome of the pipeline (see PipelineOutcome).
Status Submit(const Options& options) {
  STILL_ASSIGN_OR_RETURN(Submission submission, Prepare(options));
  if (options.check) {
    Print(options.json ? JsonOf(submission).dump(2) + "\n" : TextOf(submission));
    return CheckFits(options, submission.expansion.submit);
  }
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  STILL_RETURN_IF_ERROR(Send(*client, &submission));
  ordered_json json = JsonOf(submission);
  if (!options.json) {
    Print(fmt::format("{}\npipeline {} ({}) is submitted{}\n", TextOf(submission), submission.pipeline,
                      Escaped(submission.pipeline_name),
                      options.hold
                          ? fmt::format(" and held; `still release --pipeline {}` starts it", submission.pipeline)
                      : options.wait ? ""
                                     : "; `still queue` lists its jobs, `still top` watches them"));
  } else if (!options.wait) {
    Print(json.dump(2) + "\n");
  }
  if (!options.wait) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::JobView> ended,
                         WaitForJobs(*client, submission.pipeline, submission.ids, Clock::System(), stderr));
  if (options.json) {
    AddStates(ended, &json);
    Print(json.dump(2) + "\n");
  }
  return PipelineOutcome(ended);
}

void AddTo(CLI::App& app, Action& action) {
  const auto [command, options] =
      AddCommand(app, "submit", "Give a pipeline or a sweep to the coordinator", action, &Submit);
  AddOption(command, "pipeline", options.config_path, "PIPELINE.yaml",
            "Configuration (YAML); matrix and variants make it a sweep")
      ->required();
  AddOption(command, "--priority", options.priority, "N", "Priority of the jobs; a higher one goes first")
      ->capture_default_str();
  command->add_flag("--hold", options.hold, "Start nothing before `still release`");
  command->add_flag("--attach", options.attach,
                    "Let corpus, teacher, targets and train wait for a manual mpirun (`still why` shows the command)");
  AddRanksOption(command, options.ranks, "Number of worker processes per job; results do not depend on it");
  AddOption(command, "--time-limit", options.time_limit, "TIME",
            "Time limit of jobs whose stage has none in the file: 45s, 90m, 2h, 1d");
  AddOption(command, "--retries", options.retries, "N",
            "A job fails after more than N attempts in a row without a new step")
      ->capture_default_str();
  command->add_flag("--wait", options.wait, "Wait until all jobs have ended; the exit code is theirs");
  command->add_flag("--check", options.check,
                    "Check configuration, inputs and whether the coordinator's hosts can hold the jobs, and print the "
                    "jobs; submit nothing");
  AddJsonFlag(command, options.json);
  AddConnectionOptions(command, options.connection);
}

const Registration kRegistration(/*place=*/20, &AddTo);

}  // namespace
}  // namespace still::cli
