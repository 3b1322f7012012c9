// still cancel, hold, release, requeue, priority: changes jobs by one request with a verb.
#include <fmt/ranges.h>

#include "cli/registration.h"
#include "cli/terminal.h"
#include "coordinator/views/view_json.h"

namespace still::cli {
namespace {

namespace v1 = stillhouse::v1;

struct Verb {
  const char* name;
  const char* help;
  v1::JobVerb wire;
  const char* done;
};

constexpr Verb kVerbs[] = {
    {"cancel", "End jobs for good, after the step they are in", v1::JOB_VERB_CANCEL, "cancelled"},
    {"hold", "Keep jobs from running until they are released", v1::JOB_VERB_HOLD, "held"},
    {"release", "Let held jobs go on", v1::JOB_VERB_RELEASE, "released"},
    {"requeue", "Start jobs again from their newest checkpoint", v1::JOB_VERB_REQUEUE, "requeued"},
    {"priority", "Change the priority of jobs", v1::JOB_VERB_SET_PRIORITY, "changed the priority of"},
};

struct Options {
  const Verb* verb = nullptr;
  ConnectionOptions connection;
  std::vector<std::string> jobs;
  std::string pipeline;
  std::int32_t priority = 0;
  bool json = false;
};

// Prints which jobs changed. Does not ask for confirmation: every verb but cancel can be undone, and a cancelled job
// keeps its checkpoints.
Status ChangeJobs(const Options& options) {
  if (options.jobs.empty() && options.pipeline.empty())
    return Error(Code::kInvalidArgument, "name jobs, or a whole pipeline with --pipeline NAME");
  if (!options.jobs.empty() && !options.pipeline.empty())
    return Error(Code::kInvalidArgument, "name either jobs or a whole pipeline with --pipeline NAME, not both");
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  v1::ClientRequest request;
  v1::ChangeJobs& change = *request.mutable_change();
  change.set_verb(options.verb->wire);
  change.set_priority(options.priority);
  for (const std::string& job : options.jobs) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t id, FindJob(*client, job));
    change.add_jobs(id);
  }
  if (!options.pipeline.empty()) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t pipeline, FindPipeline(*client, options.pipeline));
    change.set_pipeline(pipeline);
  }
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client->Call(std::move(request)));
  if (options.json) {
    Print(coordinator::ChangeJson(reply) + "\n");
    return Ok();
  }
  const std::string what = reply.jobs().empty()
                               ? "nothing changed"
                               : fmt::format("{} {}: {}", options.verb->done, reply.jobs_size() == 1 ? "job" : "jobs",
                                             fmt::join(reply.jobs(), ", "));
  Print(what + "\n");
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  for (const Verb& verb : kVerbs) {
    const auto [command, options] = AddCommand(app, verb.name, verb.help, action, &ChangeJobs, {.verb = &verb});
    if (verb.wire == v1::JOB_VERB_SET_PRIORITY)
      AddOption(command, "priority", options.priority, "N", "New priority; a higher one goes first")->required();
    AddOption(command, "jobs", options.jobs, "JOB", "Ids or names of jobs");
    AddOption(command, "--pipeline", options.pipeline, "PIPELINE",
              "Change all jobs of this pipeline, given by id or name");
    AddJsonFlag(command, options.json);
    AddConnectionOptions(command, options.connection);
  }
}

const Registration kRegistration(/*place=*/70, &AddTo);

}  // namespace
}  // namespace still::cli
