#include <memory>

#include "cli/change_command.h"
#include "cli/connection_options.h"
#include "cli/logs_command.h"
#include "cli/number_check.h"
#include "cli/registration.h"
#include "cli/report_command.h"
#include "cli/submit_command.h"
#include "cli/view_commands.h"

namespace still::cli {
namespace {

constexpr const char* kJob = "a job's id, its name, or the end of its name";

void AddSubmit(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<SubmitFlags>();
  CLI::App* submit = app.add_subcommand("submit", "Give a pipeline or a sweep to the coordinator");
  submit->add_option("pipeline", flags->config_path, "configuration (YAML); matrix and variants make it a sweep")
      ->required()
      ->type_name("PIPELINE.yaml");
  submit->add_option("--priority", flags->priority, "higher goes first")->type_name("N")->capture_default_str();
  submit->add_flag("--hold", flags->hold, "start nothing before `still release`");
  submit->add_flag("--attach", flags->attach,
                   "corpus, teacher, targets and train wait for an mpirun that you type (see `still why`)");
  submit->add_option("--ranks", flags->ranks, "worker processes of a job; results do not depend on it")->type_name("N");
  submit->add_option("--time-limit", flags->time_limit, "of jobs whose stage has none in the file: 45s, 90m, 2h, 1d")
      ->type_name("TIME");
  submit->add_option("--retries", flags->retries, "attempts of a job that may die without a step gained")
      ->type_name("N")
      ->capture_default_str();
  submit->add_flag("--wait", flags->wait, "until all jobs have ended; the exit code is theirs");
  submit->add_flag("--check", flags->check,
                   "check configuration and inputs, and whether a coordinator's hosts can hold the jobs; print them, "
                   "submit nothing");
  submit->add_flag("--json", flags->json, "one JSON object on stdout instead of text");
  AddConnectionOptions(submit, flags->connection);
  submit->callback([flags, &action] { action = [flags] { return SubmitCommand(*flags); }; });
}

void AddView(CLI::App& app, const char* name, const char* help, Status (*command)(const ViewFlags&), Action& action,
             void (*more)(CLI::App*, ViewFlags&)) {
  const auto flags = std::make_shared<ViewFlags>();
  CLI::App* view = app.add_subcommand(name, help);
  more(view, *flags);
  view->add_flag("--json", flags->json, "as JSON, the way the coordinator gives it");
  AddConnectionOptions(view, flags->connection);
  view->callback([flags, &action, command] { action = [flags, command] { return command(*flags); }; });
}

void AddViews(CLI::App& app, Action& action) {
  const auto of_a_job = [](CLI::App* view, ViewFlags& flags) {
    view->add_option("job", flags.job, kJob)->required()->type_name("JOB");
  };
  AddView(app, "queue", "List the jobs that have not ended, and why they wait", &QueueCommand, action,
          [](CLI::App*, ViewFlags&) {});
  AddView(app, "show", "Show all about one job", &ShowCommand, action, of_a_job);
  AddView(app, "why", "Say why a job waits: every reason, its position, its predicted start", &WhyCommand, action,
          of_a_job);
  AddView(app, "history", "List the jobs that have ended, newest first", &HistoryCommand, action,
          [](CLI::App* view, ViewFlags& flags) {
            view->add_option("--limit", flags.limit, "at most so many")->type_name("N");
          });
  AddView(app, "events", "List what happened to jobs and hosts", &EventsCommand, action,
          [](CLI::App* view, ViewFlags& flags) {
            view->add_option("job", flags.job, kJob)->type_name("JOB");
            view->add_flag("-f,--follow", flags.follow, "go on with what happens next; with --json one object a line");
            view->add_option("--limit", flags.limit, "at most so many")->type_name("N");
          });
  AddView(app, "top", "Watch jobs, ranks and hosts; drawn anew every second on a terminal", &TopCommand, action,
          [](CLI::App* view, ViewFlags& flags) { view->add_flag("--once", flags.once, "one picture, as plain text"); });
}

void AddLogs(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<LogsFlags>();
  CLI::App* logs = app.add_subcommand("logs", "Print what a job's processes wrote");
  logs->add_option("job", flags->job, kJob)->required()->type_name("JOB");
  logs->add_flag("-f,--follow", flags->follow, "go on until the job ends");
  logs->add_option("--rank", flags->rank, "of this rank only")->type_name("R");
  logs->add_option("--tail", flags->tail, "begin with the last so many lines")->check(WholeNumber())->type_name("N");
  AddConnectionOptions(logs, flags->connection);
  logs->callback([flags, &action] { action = [flags] { return LogsCommand(*flags); }; });
}

void AddChange(CLI::App& app, const char* name, const char* help, JobVerb verb, Action& action) {
  const auto flags = std::make_shared<ChangeFlags>();
  flags->verb = verb;
  CLI::App* change = app.add_subcommand(name, help);
  if (verb == JobVerb::kSetPriority)
    change->add_option("priority", flags->priority, "higher goes first")->required()->type_name("N");
  change->add_option("jobs", flags->jobs, "ids or names")->type_name("JOB");
  change->add_option("--pipeline", flags->pipeline, "all jobs of this one: its id or its name")->type_name("PIPELINE");
  change->add_flag("--json", flags->json, "one JSON object on stdout instead of text");
  AddConnectionOptions(change, flags->connection);
  change->callback([flags, &action] { action = [flags] { return ChangeJobsCommand(*flags); }; });
}

void AddReport(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ReportFlags>();
  CLI::App* report = app.add_subcommand("report", "Compare the students of a sweep: a table and a picture");
  report->add_option("pipeline", flags->pipeline, "its YAML file, or the id or name of a submitted one")
      ->required()
      ->type_name("PIPELINE");
  report->add_flag("--json", flags->json, "one JSON object on stdout instead of text");
  AddConnectionOptions(report, flags->connection);
  report->callback([flags, &action] { action = [flags] { return ReportCommand(*flags); }; });
}

}  // namespace

void RegisterJobs(CLI::App& app, Action& action) {
  AddSubmit(app, action);
  AddViews(app, action);
  AddLogs(app, action);
  AddChange(app, "cancel", "End jobs after the step they are in, for good", JobVerb::kCancel, action);
  AddChange(app, "hold", "Keep jobs from running until they are released", JobVerb::kHold, action);
  AddChange(app, "release", "Let held jobs go on", JobVerb::kRelease, action);
  AddChange(app, "requeue", "Start jobs again, from their newest checkpoint", JobVerb::kRequeue, action);
  AddChange(app, "priority", "Give jobs another priority", JobVerb::kSetPriority, action);
  AddReport(app, action);
}

}  // namespace still::cli
