#include "coordinator/daemon/recorded_state.h"

#include <utility>

#include "common/check.h"
#include "common/log.h"

namespace still::coordinator {

Status RecordedState::Load() {
  STILL_ASSIGN_OR_RETURN(state_, journal_.Load());
  return Ok();
}

void RecordedState::Apply(Changes changes) {
  STILL_CHECK(trouble_.ok(), "changes need a journal that takes them");
  state_.Save(changes, &undo_log_);
  state_.Apply(changes);
  unwritten_.push_back(std::move(changes));
}

Status RecordedState::Write() {
  if (unwritten_.empty()) return Ok();
  const Status written = journal_.Commit(unwritten_);
  unwritten_.clear();
  const UndoLog undo_log = std::exchange(undo_log_, {});
  if (written.ok()) return Ok();
  LogError("the journal cannot be written, nothing is granted or changed until it can: {}", written.message());
  state_.Rollback(undo_log);
  trouble_ = written;
  probed_ = clock_.Now();
  return written;
}

bool RecordedState::Heal() {
  if (trouble_.ok() || clock_.Now() - probed_ < probe_interval_) return false;
  probed_ = clock_.Now();
  Status healed = journal_.Probe();
  // The database was opened again, and the failed write may turn out to be in it, whole.
  if (healed.ok()) healed = Load();
  if (!healed.ok() && healed.message() != trouble_.message()) LogError("{}", healed.message());
  if (healed.ok()) LogInfo("the journal can be written again");
  trouble_ = healed;
  return healed.ok();
}

}  // namespace still::coordinator
