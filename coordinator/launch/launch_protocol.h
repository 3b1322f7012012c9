// What the ranks of a launch and its server say to each other about the work itself. There are two protocols: a gang
// makes steps together (gang_protocol.h), ranks of leased work compute shard after shard (lease_protocol.h). The server
// (launch_server.h) handles everything that both have in common. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "coordinator/launch/host_silence.h"

namespace still::coordinator {

class LaunchProtocol {
 public:
  virtual ~LaunchProtocol() = default;

  // Handles a message of a member. Returns false for a message that this protocol does not have. An error ends the
  // launch.
  virtual Result<bool> OnMessage(const std::string& peer, const v1::Envelope& envelope) = 0;
  // A rank is known to be dead.
  virtual void OnDeath(std::uint32_t) {}
  // A host is lost. Returns whether the launch continues without its ranks.
  virtual bool OnHostLost(const LostHost&) { return false; }
  // Does what is due. Called between messages. An error ends the launch.
  virtual Status Tick(Clock::TimePoint) { return Ok(); }
  // Does at once what Tick would do later: mpirun has ended, and no more messages will come.
  virtual Status Flush() { return Ok(); }
  // The launch has ended, whatever its outcome is.
  virtual void OnEnd() {}
  // Returns the newest step whose checkpoint was published in this launch.
  virtual std::optional<std::uint64_t> PublishedStep() const { return std::nullopt; }
};

}  // namespace still::coordinator
