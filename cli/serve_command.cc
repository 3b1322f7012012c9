// still serve, also installed as stilld: runs the coordinator.
#include <fmt/format.h>

#include "cli/programs.h"
#include "cli/registration.h"
#include "cli/terminal.h"
#include "cluster/mpirun_command.h"
#include "common/log.h"
#include "common/stop_signals.h"
#include "common/storage/state_directory.h"
#include "coordinator/daemon/daemon.h"

namespace still::cli {
namespace {

using coordinator::DaemonAddresses;
using coordinator::DaemonOptions;

// Prints the token on a terminal only: standard output may be a log that others read.
void PrintReady(const std::string& state, const DaemonAddresses& at) {
  const bool with_token = at.page == at.page_with_token || OnTerminal();
  std::string page = at.page.empty() ? "" : ", status page " + (with_token ? at.page_with_token : at.page);
  if (!with_token) page += fmt::format(" (its address with the token is in {}/http)", state);
  Print(fmt::format("serving at {}{}; state in {}\n", at.endpoint, page, state));
}

// Serves until SIGINT or SIGTERM. Jobs go on without the coordinator.
Status Serve(const DaemonOptions& parsed) {
  InitLog("stilld");
  DaemonOptions options = parsed;
  if (options.state_directory.empty()) {
    STILL_ASSIGN_OR_RETURN(options.state_directory, DefaultStateDirectory());
  }
  STILL_ASSIGN_OR_RETURN(options.still, ThisProgram());
  STILL_ASSIGN_OR_RETURN(options.worker, FindWorker());
  STILL_ASSIGN_OR_RETURN(options.mpirun, cluster::FindMpirun());
  options.on_ready = [&](const DaemonAddresses& at) { PrintReady(options.state_directory, at); };
  return coordinator::RunDaemon(options, CountStopSignals());
}

void AddTo(CLI::App& app, Action& action) {
  const auto [serve, options] =
      AddCommand(app, "serve", "Run the coordinator: queue, scheduler, status page (stilld)", action, &Serve);
  AddOption(serve, "--state", options.state_directory, "DIR",
            "State directory (default: $STILL_STATE, else ~/.local/state/stillhouse)");
  AddOption(serve, "--hosts", options.hostfile, "FILE",
            "Hostfile with one `name slots=N` per line (default: the cores of this machine)");
  AddOption(serve, "--listen", options.endpoint, "ENDPOINT", "Endpoint for clients and agents; port * takes a free one")
      ->capture_default_str();
  AddOption(serve, "--http", options.http_address, "ADDRESS",
            "Address of the status page, the JSON API and the metrics")
      ->capture_default_str();
  AddOption(serve, "--http-port", options.http_port, "PORT", "Port of the status page; 0 takes a free one")
      ->capture_default_str();
  AddOption(serve, "--address", options.address, "ADDRESS",
            "Address at which the hosts of the hostfile reach this machine");
  AddOption(serve, "--network", options.ssh.network, "CIDR",
            "Network over which ranks talk, such as 10.0.0.0/24 (default: mpirun chooses)");
  AddOption(serve, "--ssh-identity", options.ssh.identity_file, "FILE", "Private key for the hosts");
  AddOption(serve, "--ssh-argument", options.ssh.arguments, "ARG", "Additional argument of ssh; may be repeated")
      ->allow_extra_args(false);
  serve->add_flag_callback(
      "--no-http", [&options = options] { options.http = false; }, "Serve no status page");
  serve->add_flag_callback(
      "--no-keys", [&options = options] { options.keys = false; },
      "Let in every user of this machine; for a private container, with loopback addresses only");
}

const Registration kRegistration(/*place=*/100, &AddTo);

}  // namespace
}  // namespace still::cli
