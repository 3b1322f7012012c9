#include "cli/keys_command.h"

#include <fmt/format.h>

#include "common/rpc/keys.h"

namespace still::cli {
Status NewKeysCommand(const std::string& directory) {
  std::string path = directory;
  if (path.empty()) {
    STILL_ASSIGN_OR_RETURN(const std::string state, DefaultStateDirectory());
    path = KeysOfState(state);
  }
  STILL_RETURN_IF_ERROR(NewKeys(path));
  fmt::print(
      "new keys in {}\n"
      "  server.secret stays where the coordinator runs\n"
      "  server.public, client.public and client.secret go, by a safe way, to whoever may use it: with them one may\n"
      "  start programs on its hosts\n"
      "  http.token lets one see and change things by way of the status page\n"
      "A coordinator that runs on this state directory takes them when it is started again: do that now\n",
      path);
  return Ok();
}

}  // namespace still::cli
