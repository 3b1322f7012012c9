// still agent: runs one attempt of a job. Only the coordinator starts it, so `still --help` does not list it.
#include "cli/registration.h"
#include "coordinator/agent/agent_process.h"

namespace still::cli {
namespace {

struct Options {
  std::string task;
};

Status RunAgent(const Options& options) { return coordinator::RunAgentProcess(options.task); }

void AddTo(CLI::App& app, Action& action) {
  const auto [agent, options] = AddCommand(app, "agent", "Run one attempt of a job", action, &RunAgent);
  agent->group("");
  AddOption(agent, "--task", options.task, "FILE", "Task that the coordinator wrote")->required();
}

const Registration kRegistration(/*place=*/120, &AddTo);

}  // namespace
}  // namespace still::cli
