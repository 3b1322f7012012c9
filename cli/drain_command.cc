// still drain, still undrain: takes a host out of service and puts it back.
#include <fmt/format.h>

#include "cli/registration.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "coordinator/views/view_json.h"

namespace still::cli {
namespace {

namespace v1 = stillhouse::v1;

struct Options {
  bool drain = true;
  ConnectionOptions connection;
  std::string host;
  std::string reason;
  bool json = false;
};

Status ChangeHost(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(options.connection));
  v1::ClientRequest request;
  v1::ChangeHost& change = *request.mutable_change_host();
  change.set_host(options.host);
  change.set_drain(options.drain);
  change.set_reason(options.reason);
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client->Call(std::move(request)));
  if (options.json) {
    Print(coordinator::ChangeJson(reply) + "\n");
  } else {
    Print(fmt::format("{} is {}\n", Escaped(options.host),
                      options.drain ? "drained: its jobs go on, and nothing new starts there" : "back in service"));
  }
  return Ok();
}

void Add(CLI::App& app, const char* name, const char* help, bool drain, Action& action) {
  const auto [command, options] = AddCommand(app, name, help, action, &ChangeHost, {.drain = drain});
  AddOption(command, "host", options.host, "HOST", "Name of the host, as `still nodes` lists it")->required();
  AddOption(command, "--reason", options.reason, "TEXT", "Reason, which `still nodes` shows");
  AddJsonFlag(command, options.json);
  AddConnectionOptions(command, options.connection);
}

void AddTo(CLI::App& app, Action& action) {
  Add(app, "drain", "Start nothing new on a host; its jobs go on", true, action);
  Add(app, "undrain", "Put a host back into service and forget its failures", false, action);
}

const Registration kRegistration(/*place=*/90, &AddTo);

}  // namespace
}  // namespace still::cli
