// The layout of a coordinator's state directory, where it is when nobody names one, and how clients on this machine
// find its coordinator. The directory is private (0700).
//
//   journal/             RocksDB: jobs, pipelines, hosts, history
//   lock                 held by the running coordinator
//   endpoint             its ZeroMQ endpoint, tcp://127.0.0.1:5600; written when it listens
//   http                 URL of its status page, with the token
//   keys/                CURVE keys and the token of the status page
//   jobs/<id>/<attempt>/ what the agent of the attempt writes and the coordinator reads:
//     task.json          what the agent is to do; there before it starts
//     lock               held while any process of the attempt lives on this machine
//     outcome            the last report; there before the agent ends
//     agent.log          the log of the agent
//     ranks.log          the log of mpirun and the ranks
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace still {

// AttemptDirectory names the paths of one attempt. It touches no file.
class AttemptDirectory {
 public:
  explicit AttemptDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string Task() const;
  std::string Lock() const;
  std::string Outcome() const;
  std::string AgentLog() const;
  std::string RanksLog() const;

 private:
  std::string path_;
};

// StateDirectory names the paths of one state directory. It touches no file.
class StateDirectory {
 public:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string Journal() const;
  std::string Lock() const;
  std::string Endpoint() const;
  std::string Http() const;
  std::string Keys() const;
  std::string Jobs() const;
  AttemptDirectory Attempt(std::uint64_t job, std::uint64_t attempt) const;

 private:
  std::string path_;
};

// Returns the state directory when no option names one: STILL_STATE, else ~/.local/state/stillhouse. INVALID_ARGUMENT
// when neither STILL_STATE nor HOME is set.
Result<std::string> DefaultStateDirectory();

// Returns the endpoint of the coordinator to talk to. The first of these that is not empty decides: the option
// `endpoint`, the endpoint file in the directory `state`, $STILL_COORDINATOR, the endpoint file in
// DefaultStateDirectory(). UNAVAILABLE: no coordinator has written that file.
Result<std::string> FindCoordinator(const std::string& endpoint, const std::string& state);

}  // namespace still
