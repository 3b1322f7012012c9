// Puts the shares of a checkpoint together, which ranks write and report one by one. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"

namespace stillhouse::v1 {
class PartsWritten;
}

namespace still::coordinator {

// The share of one rank (PartsWritten in control.proto).
struct WrittenShare {
  std::uint32_t rank = 0;
  CheckpointInfo info;
  std::vector<CheckpointPart> parts;
  std::uint32_t total_parts = 0;
  std::uint32_t ranks = 0;   // how many have a share, perhaps an empty one
  std::string state_digest;  // over a sample of the whole state in this rank's memory
};

// Returns the share that `message` reports. INTERNAL when no worker writes such a message.
Result<WrittenShare> ReadShare(std::uint32_t rank, const stillhouse::v1::PartsWritten& message);

class CheckpointCollector {
 public:
  // At most this many incomplete checkpoints are kept. Beyond that the oldest is dropped, because those of dead
  // generations never complete.
  static constexpr std::size_t kPending = 4;

  // Records a share. Returns the manifest once every rank has reported its share of this step and generation, and
  // nothing before. A share may come twice. DATA_LOSS names the ranks whose states or parts differ. INTERNAL when a
  // part is in no share.
  Result<std::optional<CheckpointManifest>> Add(const WrittenShare& share);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // step, generation
  using Shares = std::map<std::uint32_t, WrittenShare>;

  static Result<CheckpointManifest> Assemble(const Shares& shares);

  std::map<Key, Shares> pending_;
};

}  // namespace still::coordinator
