#include "common/rpc/keys.h"

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <utility>

#include "common/digest.h"
#include "common/entropy.h"
#include "common/environment.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"
#include "common/storage/state_directory.h"

namespace still {
namespace {

constexpr const char* kServerPublic = "server.public";
constexpr const char* kServerSecret = "server.secret";
constexpr const char* kClientPublic = "client.public";
constexpr const char* kClientSecret = "client.secret";
constexpr const char* kHttpToken = "http.token";
constexpr std::size_t kKeyText = 40;  // Z85
constexpr std::size_t kTokenBytes = 32;

std::string RandomHex() {
  std::array<std::uint8_t, kTokenBytes> bytes;
  FillWithEntropy(std::as_writable_bytes(std::span(bytes)));
  return Hex(bytes);
}

// Returns the contents of one file without the line break at its end.
Result<std::string> Load(const std::string& directory, const char* name, std::size_t size) {
  const std::string path = JoinPath(directory, name);
  struct stat info {};
  if (stat(path.c_str(), &info) != 0)
    return ErrnoStatus(errno, "cannot read the key", path)
        .WithContext(fmt::format("{} has no such key (copy it from keys/ of the coordinator's state directory, or make "
                                 "new ones for both: `still keys new`)",
                                 directory));
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return Error(Code::kPermissionDenied, "{} may be read by others (mode {:o}): run chmod 600 {}", path,
                 info.st_mode & 0777U, path);
  STILL_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.size() != size)
    return Error(Code::kInvalidArgument,
                 "{} holds no key: {} characters instead of {}; copy it again from where `still "
                 "keys new` made it",
                 path, text.size(), size);
  return text;
}

}  // namespace

Status NewKeys(const std::string& directory) {
  if (Exists(directory))
    return Error(
        Code::kAlreadyExists,
        "{} exists, and keys in use are not replaced: remove it (which locks out all holders of its keys), or choose "
        "another --directory",
        directory);
  STILL_ASSIGN_OR_RETURN(const RpcKeyPair server, NewRpcKeyPair());
  STILL_ASSIGN_OR_RETURN(const RpcKeyPair client, NewRpcKeyPair());
  STILL_ASSIGN_OR_RETURN(const auto staged, StagedDirectory::Create(directory));
  if (chmod(staged->path().c_str(), S_IRWXU) != 0) return ErrnoStatus(errno, "cannot close to others", staged->path());
  const std::pair<const char*, std::string> files[] = {{kServerPublic, server.public_key},
                                                       {kServerSecret, server.secret_key},
                                                       {kClientPublic, client.public_key},
                                                       {kClientSecret, client.secret_key},
                                                       {kHttpToken, RandomHex()}};
  for (const auto& [name, text] : files)
    STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(staged->path(), name), text + "\n", FileAccess::kPrivate));
  return staged->Commit();
}

Result<RpcServerKeys> LoadServerKeys(const std::string& directory) {
  RpcServerKeys keys;
  STILL_ASSIGN_OR_RETURN(keys.own.public_key, Load(directory, kServerPublic, kKeyText));
  STILL_ASSIGN_OR_RETURN(keys.own.secret_key, Load(directory, kServerSecret, kKeyText));
  STILL_ASSIGN_OR_RETURN(std::string client, Load(directory, kClientPublic, kKeyText));
  keys.clients.push_back(std::move(client));
  return keys;
}

Result<RpcClientKeys> LoadClientKeys(const std::string& directory) {
  RpcClientKeys keys;
  STILL_ASSIGN_OR_RETURN(keys.server, Load(directory, kServerPublic, kKeyText));
  STILL_ASSIGN_OR_RETURN(keys.own.public_key, Load(directory, kClientPublic, kKeyText));
  STILL_ASSIGN_OR_RETURN(keys.own.secret_key, Load(directory, kClientSecret, kKeyText));
  return keys;
}

Result<std::optional<RpcClientKeys>> ClientKeysIfAny(const std::string& directory) {
  if (!Exists(directory)) return std::optional<RpcClientKeys>();
  STILL_ASSIGN_OR_RETURN(RpcClientKeys keys, LoadClientKeys(directory));
  return std::optional<RpcClientKeys>(std::move(keys));
}

Result<std::optional<RpcClientKeys>> FindClientKeys(const std::string& keys, const std::string& state) {
  const std::string named = keys.empty() && state.empty() ? EnvironmentValue("STILL_KEYS") : keys;
  if (!named.empty()) {
    STILL_ASSIGN_OR_RETURN(RpcClientKeys found, LoadClientKeys(named));
    return std::optional<RpcClientKeys>(std::move(found));
  }
  if (!state.empty()) return ClientKeysIfAny(StateDirectory(state).Keys());
  const Result<std::string> usual = DefaultStateDirectory();
  return usual.ok() ? ClientKeysIfAny(StateDirectory(*usual).Keys()) : std::optional<RpcClientKeys>();
}

Result<std::string> LoadHttpToken(const std::string& directory) { return Load(directory, kHttpToken, 2 * kTokenBytes); }

}  // namespace still
