#include "cli/submit_command.h"

#include <fmt/ranges.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/pipeline_wait.h"
#include "cli/table.h"
#include "cli/text.h"
#include "common/config/pipeline_config.h"
#include "common/config/pipeline_sweep.h"
#include "coordinator/plan/expand.h"
#include "coordinator/scheduler/fit.h"

namespace still::cli {
namespace {

using coordinator::Expansion;
using nlohmann::ordered_json;

// How one submission is shown; `ids` are empty before it is sent.
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
               fmt::format("{}/{}", job.kind(), job.digest()), submission.expansion.exists[at] ? "reuse" : "build"});
  }
  return table.Text();
}

ordered_json JsonOf(const Submission& submission) {
  ordered_json json = {
      {"name", submission.pipeline_name}, {"pipeline", submission.pipeline}, {"jobs", ordered_json::array()}};
  const auto& jobs = submission.expansion.submit.jobs();
  for (int i = 0; i < jobs.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ordered_json job = {
        {"id", submission.ids.empty() ? 0 : submission.ids[at]},
        {"name", jobs[i].name()},
        {"artifact", fmt::format("{}/{}/{}", jobs[i].artifacts_root(), jobs[i].kind(), jobs[i].digest())},
        {"action", submission.expansion.exists[at] ? "reuse" : "build"},
        {"ranks", jobs[i].ranks()},
        {"depends_on", ordered_json::array()}};
    for (const std::uint64_t position : jobs[i].depends_on())
      job["depends_on"].push_back(submission.ids.empty() ? position : submission.ids[position - 1]);
    json["jobs"].push_back(std::move(job));
  }
  return json;
}

Result<Submission> Prepare(const SubmitFlags& flags) {
  coordinator::SubmitOptions options{.key = coordinator::DrawKey(),
                                     .owner = coordinator::UserName(),
                                     .priority = flags.priority,
                                     .held = flags.hold,
                                     .attach = flags.attach,
                                     .retries = flags.retries};
  std::optional<double> limit_minutes;
  if (!flags.time_limit.empty()) {
    Result<std::int64_t> limit = ParseDurationMs(flags.time_limit);
    if (!limit.ok()) return limit.status().WithContext("--time-limit");
    limit_minutes = static_cast<double>(*limit) / 60'000;
  }
  STILL_ASSIGN_OR_RETURN(std::vector<PipelineVariant> variants, LoadPipelineSweep(flags.config_path));
  for (PipelineVariant& variant : variants) {
    if (limit_minutes) {
      variant.config.mutable_time_limit_minutes()->set_general(*limit_minutes);
      if (Status checked = CheckPipelineConfig(variant.config); !checked.ok())
        return checked.WithContext("--time-limit " + flags.time_limit);
    }
    if (flags.ranks) variant.config.set_ranks(*flags.ranks);
    STILL_RETURN_IF_ERROR(CheckPipelineConfig(variant.config));
  }
  STILL_ASSIGN_OR_RETURN(const auto planned, coordinator::PlanVariants(variants));
  Submission submission{.pipeline_name = variants[0].config.name()};
  STILL_ASSIGN_OR_RETURN(submission.expansion, ExpandPipelines(submission.pipeline_name, planned, options));
  return submission;
}

Status Send(coordinator::CoordinatorClient& client, Submission* submission) {
  v1::ClientRequest request;
  *request.mutable_submit() = submission->expansion.submit;
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client.Call(std::move(request)));
  if (reply.jobs_size() != submission->expansion.submit.jobs_size())
    return Error(Code::kInternal, "the coordinator took {} of {} jobs: is it of another version?", reply.jobs_size(),
                 submission->expansion.submit.jobs_size());
  submission->pipeline = reply.pipeline();
  submission->ids.assign(reply.jobs().begin(), reply.jobs().end());
  return Ok();
}

// What the coordinator would refuse for ever, in its words; nothing without a coordinator, which is said.
Status CheckFits(const SubmitFlags& flags, const v1::Submit& submit) {
  const auto hosts = [&]() -> Result<v1::View> {
    STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
    return Ask(*client, {.view = v1::VIEW_KIND_NODES});
  }();
  if (!hosts.ok()) {
    fmt::print(stderr, "still: whether its hosts can hold the jobs is not checked: {}\n", hosts.status().message());
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
      job["state"] = EnumName(row.state());
      job["cause"] = EnumName(row.cause());
      job["message"] = row.message();
    }
  }
}

}  // namespace

Status SubmitCommand(const SubmitFlags& flags) {
  STILL_ASSIGN_OR_RETURN(Submission submission, Prepare(flags));
  if (flags.check) {
    fmt::print("{}", flags.json ? JsonOf(submission).dump(2) + "\n" : TextOf(submission));
    std::fflush(stdout);
    return CheckFits(flags, submission.expansion.submit);
  }
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  STILL_RETURN_IF_ERROR(Send(*client, &submission));
  ordered_json json = JsonOf(submission);
  if (!flags.json) {
    fmt::print("{}\npipeline {} ({}) is submitted{}\n", TextOf(submission), submission.pipeline,
               Escaped(submission.pipeline_name),
               flags.hold   ? fmt::format(", held: `still release --pipeline {}` lets it go", submission.pipeline)
               : flags.wait ? ""
                            : ": `still queue` shows its jobs, `still top` watches them");
  } else if (!flags.wait) {
    fmt::print("{}\n", json.dump(2));
  }
  std::fflush(stdout);
  if (!flags.wait) return Ok();
  STILL_ASSIGN_OR_RETURN(const std::vector<v1::JobView> ended,
                         WaitForJobs(*client, submission.pipeline, submission.ids, Clock::System(), stderr));
  if (flags.json) {
    AddStates(ended, &json);
    fmt::print("{}\n", json.dump(2));
  }
  return PipelineOutcome(ended);
}

}  // namespace still::cli
