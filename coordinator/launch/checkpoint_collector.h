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

namespace still::coordinator {

class CheckpointCollector {
 public:
  // At most this many incomplete checkpoints are kept. Beyond that the oldest is dropped, because those of dead
  // generations never complete.
  static constexpr std::size_t kPending = 4;

  // Records the share that `rank` reports. Returns the manifest once every rank has reported its share of this step and
  // generation, and nothing before. A share may come twice. DATA_LOSS names the ranks whose states or parts differ.
  // INTERNAL when a part is in no share, or when no worker writes such a message.
  Result<std::optional<v1::CheckpointManifest>> Add(std::uint32_t rank, const v1::PartsWritten& share);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;       // step, generation
  using Shares = std::map<std::uint32_t, v1::PartsWritten>;  // by rank

  static Result<v1::CheckpointManifest> Assemble(const Shares& shares);

  std::map<Key, Shares> pending_;
};

}  // namespace still::coordinator
