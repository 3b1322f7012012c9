// The coordinator's journal on a simulated disk: a log of batches in bytes. A batch that was synced is never lost; one
// that a crash interrupts is found whole or torn, and a torn one has not happened.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/jobs/state.h"

namespace still::sim {

class SimJournal {
 public:
  // Durable when it returns. RESOURCE_EXHAUSTED on a full disk: nothing of it happened.
  Status Commit(const coordinator::Changes& changes);
  // The writer dies while it syncs: the first `written` bytes of the batch (all of them at most) reached the disk.
  // True: it is whole.
  bool DieInCommit(const coordinator::Changes& changes, std::size_t written);
  // What a restart finds, in order. Cuts off a torn tail.
  std::vector<coordinator::Changes> Replay();

  void set_full(bool full) { full_ = full; }
  bool full() const { return full_; }
  // Over all bytes so far: equal for equal runs.
  std::uint32_t Checksum() const;

 private:
  bool full_ = false;
  std::string log_;
};

}  // namespace still::sim
