// Puts the shares of a checkpoint, which ranks write and report one by one, together. Pure; one thread.
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

// One rank's share (control.proto, PartsWritten).
struct WrittenShare {
  std::uint32_t rank = 0;
  CheckpointInfo info;
  std::vector<CheckpointPart> parts;
  std::uint32_t total_parts = 0;
  std::uint32_t ranks = 0;   // that have a share, perhaps an empty one
  std::string state_digest;  // over a sample of all of the state in this rank's memory
};

// INTERNAL when it is not what workers write.
Result<WrittenShare> ReadShare(std::uint32_t rank, const stillhouse::v1::PartsWritten& message);

class CheckpointCollector {
 public:
  static constexpr std::size_t kPending = 4;  // the newest; ones of generations that died are never completed

  // The manifest once every rank has reported its share of this (step, generation), nothing before. Saying the same
  // twice is fine. DATA_LOSS names the ranks whose states or parts differ; INTERNAL: a part was written by nobody.
  Result<std::optional<CheckpointManifest>> Add(const WrittenShare& share);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // step, generation
  using Shares = std::map<std::uint32_t, WrittenShare>;

  static Result<CheckpointManifest> Assemble(const Shares& shares);

  std::map<Key, Shares> pending_;
};

}  // namespace still::coordinator
