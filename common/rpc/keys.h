// The keys of a coordinator and those who may talk to it: one directory, made at its first start, copied to where they
// are needed.
//   server.public  server.secret   the coordinator's CURVE pair
//   client.public  client.secret   the pair that all its clients and agents share
//   http.token                     what a request over HTTP must carry
// Files are 0600 in a directory of 0700; one that others may read is refused: whoever holds client.secret may start
// programs here.
#pragma once

#include <string>

#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still {

// Makes `directory` with new keys, all at once or not at all. ALREADY_EXISTS when it is there: keys in use are never
// replaced.
Status NewKeys(const std::string& directory);

// NOT_FOUND without the files; PERMISSION_DENIED when others may read them, INVALID_ARGUMENT when they hold no key.
Result<RpcServerKeys> LoadServerKeys(const std::string& directory);
Result<RpcClientKeys> LoadClientKeys(const std::string& directory);
Result<std::string> LoadHttpToken(const std::string& directory);
// As LoadClientKeys; nothing when there is no such directory: its coordinator takes everybody.
Result<std::optional<RpcClientKeys>> ClientKeysIfAny(const std::string& directory);
// A coordinator's state: $STILL_STATE, else ~/.local/state/stillhouse; INVALID_ARGUMENT when there is neither that nor
// a home. And where its keys are.
Result<std::string> DefaultStateDirectory();
std::string KeysOfState(const std::string& state_directory);

// What a client is to use, who was told so by options, or not, where empty: the keys in the directory `keys`, else
// those of the state directory `state`, if any; else by the environment, in the same order.
Result<std::optional<RpcClientKeys>> FindClientKeys(const std::string& keys, const std::string& state);

}  // namespace still
