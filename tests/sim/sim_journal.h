// The coordinator's journal on a simulated disk: a log of batches in bytes. A batch that was synced is never lost. A
// batch that a crash interrupts is found whole or torn, and a torn one counts as never written.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/jobs/state.h"

namespace still::sim {

class SimJournal {
 public:
  // Writes a batch, which is durable when it returns. RESOURCE_EXHAUSTED: the disk is full, and nothing was written.
  Status Commit(const coordinator::Changes& changes);
  // The writer dies while it syncs: at most the first `written` bytes of the batch reach the disk. Returns whether the
  // batch is whole.
  bool DieInCommit(const coordinator::Changes& changes, std::size_t written);
  // Returns what a restart finds, in order, and cuts off a torn tail.
  std::vector<coordinator::Changes> Replay();

  void set_full(bool full) { full_ = full; }
  bool full() const { return full_; }
  // Returns a checksum of all bytes so far. Equal runs have equal checksums.
  std::uint32_t Checksum() const;

 private:
  bool full_ = false;
  std::string log_;
};

}  // namespace still::sim
