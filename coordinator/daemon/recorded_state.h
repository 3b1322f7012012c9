// The coordinator's state, and what of it is on disk. Decisions are applied at once and written a round at a time, as
// one synced batch. When that fails they never happened: the state is again what was acknowledged, and stands, to be
// looked at only, until the disk takes writes and the journal can be read. Reads nothing to go back, since a disk that
// takes no writes need not be read either. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/daemon/journal.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

class RecordedState {
 public:
  // Both outlive it. `probe_interval`: between two looks at a disk that took no writes.
  RecordedState(Journal& journal, Clock& clock, std::chrono::milliseconds probe_interval)
      : journal_(journal), clock_(clock), probe_interval_(probe_interval) {}

  // Call first.
  Status Load();
  const State& state() const { return state_; }
  // Why nothing can be recorded now; Ok: it can.
  const Status& trouble() const { return trouble_; }

  // Not in trouble.
  void Apply(Changes changes);
  // Of all that was applied since the last one. Not Ok: it is taken back, and there is trouble from here on.
  Status Write();
  // In trouble, now and then looks whether it is over. True: it is, and the state was read anew.
  bool Heal();

 private:
  Status Reread();

  Journal& journal_;
  Clock& clock_;
  const std::chrono::milliseconds probe_interval_;
  State state_;
  std::vector<Changes> unwritten_;  // applied to state_, not in the journal yet
  UndoLog undo_log_;                // by those
  Status trouble_;
  Clock::TimePoint probed_;
};

}  // namespace still::coordinator
