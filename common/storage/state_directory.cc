#include "common/storage/state_directory.h"

#include "common/environment.h"
#include "common/storage/files.h"

namespace still {
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

std::string AttemptDirectory::Task() const { return JoinPath(path_, "task.json"); }
std::string AttemptDirectory::Lock() const { return JoinPath(path_, "lock"); }
std::string AttemptDirectory::Outcome() const { return JoinPath(path_, "outcome"); }
std::string AttemptDirectory::AgentLog() const { return JoinPath(path_, "agent.log"); }
std::string AttemptDirectory::RanksLog() const { return JoinPath(path_, "ranks.log"); }

std::string StateDirectory::Journal() const { return JoinPath(path_, "journal"); }
std::string StateDirectory::Lock() const { return JoinPath(path_, "lock"); }
std::string StateDirectory::Endpoint() const { return JoinPath(path_, "endpoint"); }
std::string StateDirectory::Http() const { return JoinPath(path_, "http"); }
std::string StateDirectory::Keys() const { return JoinPath(path_, "keys"); }
std::string StateDirectory::Jobs() const { return JoinPath(path_, "jobs"); }

AttemptDirectory StateDirectory::Attempt(std::uint64_t job, std::uint64_t attempt) const {
  return AttemptDirectory(JoinPath(Jobs(), fmt::format("{}/{}", job, attempt)));
}

Result<std::string> DefaultStateDirectory() {
  if (std::string state = EnvironmentValue("STILL_STATE"); !state.empty()) return state;
  const std::string home = EnvironmentValue("HOME");
  if (home.empty())
    return Error(Code::kInvalidArgument,
                 "no directory for the coordinator's state: HOME is not set; set STILL_STATE or give --state");
  return JoinPath(home, ".local/state/stillhouse");
}

Result<std::string> FindCoordinator(const std::string& endpoint, const std::string& state) {
  if (!endpoint.empty()) return endpoint;
  if (!state.empty()) return EndpointOf(StateDirectory(state));
  if (std::string usual = EnvironmentValue("STILL_COORDINATOR"); !usual.empty()) return usual;
  STILL_ASSIGN_OR_RETURN(const std::string directory, DefaultStateDirectory());
  return EndpointOf(StateDirectory(directory));
}

}  // namespace still
