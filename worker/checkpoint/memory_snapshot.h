// The state after every step, in a memory file system. A relaunch continues from it on a host that stayed up.
//
// clang-format off
//   <directory>/stillhouse-<uid>-<job>-<slot>   two files; the steps alternate between them
// clang-format on
//
// <job> is a digest of the path of the job's checkpoints, so that jobs of the same identity under other roots do not
// meet. A slot holds a header (step, CheckpointInfo with a CRC), a table with one (step, CRC-32C) per block of
// 1 MiB, and the blocks of the three buffers. The ranks of a host share the work: each copies a range of blocks. The
// slot counts when every block has the header's step and its CRC. A writer that is killed at any instant therefore
// leaves this slot whole or invalid, and the other slot, a step older, untouched. Neither names nor contents depend on
// the number of ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "common/status.h"
#include "worker/checkpoint/training_state.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// One rank's view of its host's snapshots. Used by one thread. The files outlive the process; Remove deletes them.
class MemorySnapshot {
 public:
  // Creates no file yet. When `directory` is empty, there are no snapshots: every Write is Ok and does nothing.
  MemorySnapshot(const std::string& directory, const std::string& checkpoint_directory, std::string identity,
                 std::size_t parameters);
  ~MemorySnapshot();
  MemorySnapshot(const MemorySnapshot&) = delete;
  MemorySnapshot& operator=(const MemorySnapshot&) = delete;

  // Copies this rank's share of the state after `info.step()`. All ranks of the host call it for the same steps, with a
  // collective call between any two. RESOURCE_EXHAUSTED when the memory file system is full; older slots then remain.
  Status Write(const v1::CheckpointInfo& info, const LiveState& state, HostPlace place);

  // Returns the newest step that a slot claims to hold, without checking the slot.
  std::optional<std::uint64_t> ClaimedStep() const;
  // Returns the state in the newest valid slot. DATA_LOSS when none is valid.
  Result<TrainingState> Load() const;
  // Deletes the snapshots of this job on this host.
  void Remove();

 private:
  struct Slot {
    std::byte* data = nullptr;
    std::size_t size = 0;
  };
  Status MapForWriting(std::size_t slot);
  std::string PathOf(std::size_t slot) const;

  std::string prefix_;  // empty: off
  const std::string identity_;
  const std::size_t parameters_;
  Slot slots_[2];
};

}  // namespace still::worker
