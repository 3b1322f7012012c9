// The keys of a coordinator and its clients. They stand in one directory, which the coordinator makes at its first
// start and which is copied to where the keys are needed.
//
// clang-format off
//   server.public  server.secret   the coordinator's CURVE pair
//   client.public  client.secret   the pair that all its clients and agents share
//   http.token                     the token that a request over HTTP must carry
// clang-format on
//
// Files have mode 0600 in a directory of mode 0700. Every file that others have any access to is refused, public keys
// included, because the holder of client.secret can start programs on this machine.
#pragma once

#include <string>

#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still {

// Makes `directory` with new keys, complete or not at all. ALREADY_EXISTS when it exists: keys in use are never
// replaced.
Status NewKeys(const std::string& directory);

// Load keys from a directory. NOT_FOUND without the files, PERMISSION_DENIED when others have access to them,
// INVALID_ARGUMENT when a file holds no key.
Result<RpcServerKeys> LoadServerKeys(const std::string& directory);
Result<RpcClientKeys> LoadClientKeys(const std::string& directory);
Result<std::string> LoadHttpToken(const std::string& directory);

// Like LoadClientKeys, but returns nothing when there is no such directory: that coordinator admits every client.
Result<std::optional<RpcClientKeys>> ClientKeysIfAny(const std::string& directory);

// Returns the keys that a client uses: those in the directory `keys`, else those of the state directory `state`. When
// both are empty (options that were not given), STILL_KEYS and the default state directory take their places. Returns
// nothing when a state directory has no keys, or when there is no default state directory.
Result<std::optional<RpcClientKeys>> FindClientKeys(const std::string& keys, const std::string& state);

}  // namespace still
