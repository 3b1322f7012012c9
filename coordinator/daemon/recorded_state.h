// The coordinator's state together with its journal.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/daemon/journal.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

// RecordedState applies changes to the state at once and writes those of one round as one synced batch. A failed write
// rolls the state back to what the journal holds. From then on the state is read-only, until the disk takes writes and
// the journal can be read. The rollback reads nothing, because a full disk may be unreadable as well. One thread uses
// the object.
class RecordedState {
 public:
  // `journal` and `clock` must outlive this object. `probe_interval` is the time between two probes of a disk that took
  // no writes.
  RecordedState(Journal& journal, Clock& clock, std::chrono::milliseconds probe_interval)
      : journal_(journal), clock_(clock), probe_interval_(probe_interval) {}

  // Reads the state from the journal. Call first.
  Status Load();
  const State& state() const { return state_; }
  // Returns why nothing can be recorded now, or Ok.
  const Status& trouble() const { return trouble_; }

  // Applies `changes` to the state. They reach the disk with the next Write(). Requires trouble() to be Ok.
  void Apply(Changes changes);
  // Writes all changes since the last Write(). A failure rolls them back and becomes trouble().
  Status Write();
  // Probes the disk while there is trouble, at most once per probe interval. Returns true when the trouble is over. The
  // state was then read anew.
  bool Heal();

 private:
  Journal& journal_;
  Clock& clock_;
  const std::chrono::milliseconds probe_interval_;
  State state_;
  std::vector<Changes> unwritten_;  // applied to state_ and not in the journal yet
  UndoLog undo_log_;                // by those
  Status trouble_;
  Clock::TimePoint probed_;
};

}  // namespace still::coordinator
