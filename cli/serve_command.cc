#include "cli/serve_command.h"

#include <unistd.h>

#include <cstdio>

#include "cli/programs.h"
#include "cluster/mpirun_command.h"
#include "common/log.h"
#include "common/rpc/keys.h"
#include "common/stop_signals.h"
#include "coordinator/agent/agent_process.h"
#include "coordinator/daemon/daemon.h"

namespace still::cli {
namespace {

// The token is for the eyes of who started it: it goes to a terminal, and into no log.
void SayReady(const std::string& state, const coordinator::DaemonAddresses& at) {
  const bool whole = at.page == at.page_with_token || isatty(STDOUT_FILENO) == 1;
  std::string page = at.page.empty() ? "" : ", status page " + (whole ? at.page_with_token : at.page);
  if (!whole) page += fmt::format(" (its address with the token is in {}/http)", state);
  fmt::print("serving at {}{}; state in {}\n", at.endpoint, page, state);
  std::fflush(stdout);
}

}  // namespace

Status ServeCommand(const ServeFlags& flags) {
  InitLog("stilld");
  coordinator::DaemonOptions options{
      .state_directory = flags.state,
      .endpoint = flags.listen,
      .http_address = flags.http_address,
      .http_port = flags.http_port,
      .http = !flags.no_http,
      .keys = !flags.no_keys,
      .hostfile = flags.hostfile,
      .address = flags.address,
      .ssh = {.identity_file = flags.ssh_identity, .arguments = flags.ssh_arguments, .network = flags.network}};
  if (options.state_directory.empty()) {
    STILL_ASSIGN_OR_RETURN(options.state_directory, DefaultStateDirectory());
  }
  STILL_ASSIGN_OR_RETURN(options.still, ThisProgram());
  STILL_ASSIGN_OR_RETURN(options.worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(options.mpirun, cluster::FindMpirun());
  options.on_ready = [&](const coordinator::DaemonAddresses& at) { SayReady(options.state_directory, at); };
  return coordinator::RunDaemon(options, CountStopSignals());
}

Status AgentCommand(const std::string& task_path) { return coordinator::RunAgentProcess(task_path); }

}  // namespace still::cli
