#include "coordinator/client/state_directory.h"

#include "common/environment.h"
#include "common/rpc/keys.h"
#include "common/storage/files.h"

namespace still::coordinator {
namespace {

Result<std::string> EndpointOf(const StateDirectory& state) {
  Result<std::string> text = ReadFile(state.Endpoint());
  if (text.status().code() == Code::kNotFound)
    return Error(Code::kUnavailable,
                 "no coordinator has run with the state directory {}: start one with `still serve`, or name one with "
                 "--coordinator or STILL_COORDINATOR",
                 state.path());
  STILL_RETURN_IF_ERROR(text.status());
  const std::string endpoint = text->substr(0, text->find_first_of("\r\n"));
  if (endpoint.empty())
    return Error(Code::kUnavailable, "{} is empty: start the coordinator again with `still serve`", state.Endpoint());
  return endpoint;
}

}  // namespace

std::string StateDirectory::Journal() const { return JoinPath(path_, "journal"); }
std::string StateDirectory::Lock() const { return JoinPath(path_, "lock"); }
std::string StateDirectory::Endpoint() const { return JoinPath(path_, "endpoint"); }
std::string StateDirectory::Http() const { return JoinPath(path_, "http"); }
std::string StateDirectory::Keys() const { return KeysOfState(path_); }
std::string StateDirectory::Jobs() const { return JoinPath(path_, "jobs"); }

std::string StateDirectory::Attempt(std::uint64_t job, std::uint64_t attempt) const {
  return JoinPath(Jobs(), fmt::format("{}/{}", job, attempt));
}

Result<std::string> FindCoordinator(const std::string& endpoint, const std::string& state) {
  if (!endpoint.empty()) return endpoint;
  if (!state.empty()) return EndpointOf(StateDirectory(state));
  if (std::string usual = EnvironmentValue("STILL_COORDINATOR"); !usual.empty()) return usual;
  STILL_ASSIGN_OR_RETURN(const std::string directory, DefaultStateDirectory());
  return EndpointOf(StateDirectory(directory));
}

}  // namespace still::coordinator
