// still keys new: makes a coordinator's keys before its first start, which would make them otherwise.
#include <fmt/format.h>

#include "cli/registration.h"
#include "cli/terminal.h"
#include "common/rpc/keys.h"
#include "common/storage/state_directory.h"

namespace still::cli {
namespace {

struct Options {
  std::string directory;  // empty: keys/ in the state directory
};

Status MakeKeys(const Options& options) {
  std::string path = options.directory;
  if (path.empty()) {
    STILL_ASSIGN_OR_RETURN(const std::string state, DefaultStateDirectory());
    path = StateDirectory(state).Keys();
  }
  STILL_RETURN_IF_ERROR(NewKeys(path));
  Print(
      fmt::format("new keys in {}\n"
                  "  server.secret stays on the coordinator's machine.\n"
                  "  server.public, client.public and client.secret go to the users, over a safe channel.\n"
                  "  Whoever has them can start programs on the coordinator's hosts.\n"
                  "  http.token lets its owner see and change everything through the status page.\n"
                  "A running coordinator reads its keys at its start only: restart it now if it uses this directory.\n",
                  path));
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  CLI::App* keys = app.add_subcommand("keys", "Make a coordinator's keys; its first start makes them otherwise")
                       ->require_subcommand(1);
  const auto [command, options] =
      AddCommand(*keys, "new", "Make new keys; existing keys are never replaced", action, &MakeKeys);
  AddOption(command, "--directory", options.directory, "DIR",
            "Directory to make (default: keys/ in the state directory)");
}

const Registration kRegistration(/*place=*/110, &AddTo);

}  // namespace
}  // namespace still::cli
