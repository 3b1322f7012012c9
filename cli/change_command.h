// still cancel, hold, release, requeue, priority; still drain, undrain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/connection.h"
#include "common/status.h"

namespace still::cli {

enum class JobVerb { kCancel, kHold, kRelease, kRequeue, kSetPriority };

struct ChangeFlags {
  ConnectionFlags connection;
  JobVerb verb = JobVerb::kCancel;
  std::vector<std::string> jobs;  // ids or names...
  std::string pipeline;           // ...or all jobs of this one
  std::int32_t priority = 0;
  bool json = false;
};
// Prints which jobs changed. Nothing is asked back: the verbs can be undone, but for cancel, whose checkpoints stay.
Status ChangeJobsCommand(const ChangeFlags& flags);

struct HostFlags {
  ConnectionFlags connection;
  std::string host;
  std::string reason;
  bool drain = true;  // false: back in service
  bool json = false;
};
Status ChangeHostCommand(const HostFlags& flags);

}  // namespace still::cli
