// still queue, show, why, history, nodes: one view of the coordinator each, as text or as its JSON.
#include "cli/job_text.h"
#include "cli/registration.h"
#include "cli/terminal.h"

namespace still::cli {
namespace {

// Shortens rows to the terminal, where `still why` and `still show` tell the rest. Elsewhere rows stay whole.
template <std::string (*kText)(const v1::View&, std::size_t)>
std::string FitToTerminal(const v1::View& view) {
  return kText(view, OnTerminal() ? SizeOfTerminal().columns : 0);
}

struct ViewCommand {
  const char* name;
  const char* help;
  v1::ViewKind view;
  std::string (*text_of)(const v1::View&);
  bool of_one_job = false;
};

constexpr ViewCommand kCommands[] = {
    {"queue", "List the jobs that have not ended, and why they wait", v1::VIEW_KIND_QUEUE, &FitToTerminal<QueueText>},
    {"show", "Show everything about one job", v1::VIEW_KIND_JOB, &ShowText, /*of_one_job=*/true},
    {"why", "Say why a job waits: its reasons, its position, its predicted start", v1::VIEW_KIND_WHY, &WhyText,
     /*of_one_job=*/true},
    {"history", "List the jobs that have ended, newest first", v1::VIEW_KIND_HISTORY, &FitToTerminal<HistoryText>},
    {"nodes", "List the hosts, their slots and their jobs", v1::VIEW_KIND_NODES, &FitToTerminal<NodesText>},
};

struct Options {
  const ViewCommand* command = nullptr;
  ConnectionOptions connection;
  std::string job;
  std::uint32_t limit = 0;  // 0: as many rows as the coordinator gives
  bool json = false;
};

Status ShowView(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  ViewQuery query{.view = options.command->view, .limit = options.limit};
  if (options.command->of_one_job) {
    STILL_ASSIGN_OR_RETURN(query.job, FindJob(*client, options.job));
  }
  return PrintView(*client, query, options.json, options.command->text_of);
}

void AddTo(CLI::App& app, Action& action) {
  for (const ViewCommand& view : kCommands) {
    const auto [command, options] = AddCommand(app, view.name, view.help, action, &ShowView, {.command = &view});
    if (view.of_one_job) AddJobArgument(command, options.job)->required();
    if (view.name == std::string_view("history"))
      AddOption(command, "--limit", options.limit, "N", "Number of jobs at most");
    AddJsonFlag(command, options.json);
    AddConnectionOptions(command, options.connection);
  }
}

const Registration kRegistration(/*place=*/30, &AddTo);

}  // namespace
}  // namespace still::cli
