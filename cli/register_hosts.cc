#include <memory>

#include "cli/change_command.h"
#include "cli/connection_options.h"
#include "cli/registration.h"
#include "cli/view_commands.h"

namespace still::cli {
namespace {

void AddChange(CLI::App& app, const char* name, const char* help, bool drain, Action& action) {
  const auto flags = std::make_shared<HostFlags>();
  flags->drain = drain;
  CLI::App* change = app.add_subcommand(name, help);
  change->add_option("host", flags->host, "as `still nodes` names it")->required()->type_name("HOST");
  change->add_option("--reason", flags->reason, "for whoever asks why")->type_name("TEXT");
  change->add_flag("--json", flags->json, "one JSON object on stdout instead of text");
  AddConnectionOptions(change, flags->connection);
  change->callback([flags, &action] { action = [flags] { return ChangeHostCommand(*flags); }; });
}

}  // namespace

void RegisterHosts(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ViewFlags>();
  CLI::App* nodes = app.add_subcommand("nodes", "List the hosts, their slots and what runs there");
  nodes->add_flag("--json", flags->json, "as JSON, the way the coordinator gives it");
  AddConnectionOptions(nodes, flags->connection);
  nodes->callback([flags, &action] { action = [flags] { return NodesCommand(*flags); }; });
  AddChange(app, "drain", "Start nothing new on a host; what runs there goes on", true, action);
  AddChange(app, "undrain", "Put a host back into service and forget its failures", false, action);
}

}  // namespace still::cli
