// The state after every step, in a memory file system: what a relaunch on a host that stayed up continues from.
//   <directory>/stillhouse-<uid>-<job>-<slot>   two files, steps alternate between them
// <job> is a digest of where the job's checkpoints stand: jobs of the same identity under other roots do not meet.
// A slot holds a header (step, CheckpointInfo as JSON with a CRC), a table with one (step, CRC-32C) a block of 1 MiB,
// and the blocks of the three buffers. The ranks of a host share the work: each copies a range of blocks, and the slot
// counts when every block has the header's step and its CRC. A writer killed at any instant therefore leaves a slot
// that counts or one that does not, and the other one, a step older, untouched. Names do not depend on the number of
// ranks; nor does anything in the files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/checkpoint/training_state.h"
#include "worker/collective/communicator.h"

namespace still::worker {

// One rank's view of its host's snapshots. One thread. The files outlive the process: Remove says that they are done
// with.
class MemorySnapshot {
 public:
  // `directory` empty: there are no snapshots, every Write is Ok and does nothing. Nothing is created yet.
  MemorySnapshot(const std::string& directory, const std::string& checkpoint_directory, std::string identity,
                 std::size_t parameters);
  ~MemorySnapshot();
  MemorySnapshot(const MemorySnapshot&) = delete;
  MemorySnapshot& operator=(const MemorySnapshot&) = delete;

  // Copies this rank's share of the state after step info.step. Called by all ranks of the host for the same steps,
  // with a collective call between any two. RESOURCE_EXHAUSTED when the memory file system is full: the older slots
  // remain.
  Status Write(const CheckpointInfo& info, const LiveState& state, HostPlace place);

  // The newest step that a slot claims to hold; not checked yet.
  std::optional<std::uint64_t> ClaimedStep() const;
  // The newest slot that checks out; DATA_LOSS when none does.
  Result<TrainingState> Load() const;
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
