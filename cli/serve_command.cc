#include "cli/serve_command.h"

#include <cstdio>

#include "cli/programs.h"
#include "cluster/mpirun_command.h"
#include "common/log.h"
#include "common/stop_signals.h"
#include "coordinator/service/agent_process.h"
#include "coordinator/service/daemon.h"
#include "coordinator/service/state_directory.h"

namespace still::cli {
Status ServeCommand(const ServeFlags& flags) {
  InitLog("stilld");
  coordinator::DaemonOptions options{
      .state_directory = flags.state,
      .endpoint = flags.listen,
      .http_address = flags.http_address,
      .http_port = flags.http_port,
      .http = !flags.no_http,
      .hostfile = flags.hostfile,
      .address = flags.address,
      .ssh = {.identity_file = flags.ssh_identity, .arguments = flags.ssh_arguments, .network = flags.network}};
  if (options.state_directory.empty()) {
    STILL_ASSIGN_OR_RETURN(options.state_directory, coordinator::DefaultStateDirectory());
  }
  STILL_ASSIGN_OR_RETURN(options.still, ThisProgram());
  STILL_ASSIGN_OR_RETURN(options.worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(options.mpirun, cluster::FindMpirun());
  options.on_ready = [&](const std::string& endpoint, const std::string& url) {
    fmt::print("serving at {}{}{}; state in {}\n", endpoint, url.empty() ? "" : ", status page ", url,
               options.state_directory);
    std::fflush(stdout);
  };
  return coordinator::RunDaemon(options, CountStopSignals());
}

Status AgentCommand(const std::string& task_path) { return coordinator::RunAgentProcess(task_path); }

}  // namespace still::cli
