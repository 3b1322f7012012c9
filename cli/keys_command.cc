#include "cli/keys_command.h"

#include <fmt/format.h>

#include <cstdlib>

#include "common/files.h"
#include "common/keys.h"

namespace still::cli {
namespace {

// $STILL_STATE, else where the XDG rules put the state of a user's programs.
Result<std::string> StateDirectory() {
  if (const char* chosen = std::getenv("STILL_STATE"); chosen != nullptr && *chosen != '\0') return std::string(chosen);
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return JoinPath(home, ".local/state/stillhouse");
  return Error(Code::kInvalidArgument, "neither STILL_STATE nor HOME is set: say where with --directory");
}

}  // namespace

Status NewKeysCommand(const std::string& directory) {
  std::string path = directory;
  if (path.empty()) {
    STILL_ASSIGN_OR_RETURN(const std::string state, StateDirectory());
    path = JoinPath(state, "keys");
  }
  STILL_RETURN_IF_ERROR(NewKeys(path));
  fmt::print(
      "new keys in {}\n"
      "  server.secret stays where the coordinator runs\n"
      "  server.public, client.public and client.secret go, by a safe way, to whoever may use it: with them one may\n"
      "  start programs on its hosts\n"
      "  http.token lets one change things by way of the status page\n",
      path);
  return Ok();
}

}  // namespace still::cli
