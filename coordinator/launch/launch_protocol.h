// The interface between the server of a launch and its protocol. LaunchServer (launch_server.h) does what every launch
// needs and hands the rest to one of two protocols: in a gang all ranks compute every step together
// (gang_protocol.h), otherwise each rank leases shards (lease_protocol.h).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/status.h"
#include "coordinator/launch/host_silence.h"
#include "coordinator/launch/membership.h"
#include "coordinator/launch/rank_sightings.h"

namespace still::coordinator {

// The server as its protocol uses it. One thread.
class LaunchControl {
 public:
  virtual ~LaunchControl() = default;

  virtual const Membership& membership() const = 0;
  virtual RankSightings& sightings() = 0;
  // Returns whether a member has reported success.
  virtual bool succeeded() const = 0;
  // Returns whether the outcome is known, so that nothing new may begin.
  virtual bool Ending() const = 0;
  // Sends `envelope` under the current generation. An error means that the socket failed.
  virtual Status Reply(const std::string& peer, v1::Envelope* envelope) = 0;
  // Ends the launch with a failure that was found here. No rank knows of it, so mpirun is asked to terminate.
  virtual void Fail(const Status& failure) = 0;
  // Journals that `survivors` continue without the other members, which `death` describes. Returns the number of their
  // generation. After an error nothing has changed.
  virtual Result<std::uint64_t> Reconfigure(const std::set<std::uint32_t>& survivors, const v1::Death& death) = 0;
};

// Called from the thread of the server only. A returned error means that the socket failed, which ends the launch;
// a failure of the work is passed to LaunchControl::Fail instead.
class LaunchProtocol {
 public:
  virtual ~LaunchProtocol() = default;

  // Handles a member's message that the server does not handle itself.
  virtual Status OnMessage(const std::string& peer, const v1::Envelope& envelope) = 0;
  // Learns that a guardian reported the death of its rank.
  virtual void OnDeath(std::uint32_t) {}
  // Returns whether the launch goes on without a host that fell silent.
  virtual bool OnHostLost(const LostHost&) { return false; }
  // Does what is due. Called several times per second while mpirun runs.
  virtual Status OnTick() = 0;
  // Does what has to wait for the end of the ranks. Called once, after their last messages.
  virtual Status Finish() = 0;
  // Returns the newest step that this launch has published, if any.
  virtual std::optional<std::uint64_t> published_step() const { return std::nullopt; }
};

}  // namespace still::coordinator
