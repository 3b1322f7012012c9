// The coordinator's journal: one database with these records.
//
//   job/<id> pipeline/<id> host/<name>    the records of jobs/state.h
//   spec/<id>                             the whole JobSpec of a job: what its agent needs
//   history/<sequence>                    1, 2, 3 ...; each event of a job names the event before it
//   last_event                            the newest sequence
//   identity                              drawn when the journal was made; job numbers are valid within one identity
//   format                                the version of this layout
//   probe                                 written to find out whether the disk takes writes again
// Jobs, pipelines and hosts are read once at the start. Everything else stays on disk until somebody asks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/kv_store.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

// Journal reads and writes these records. A commit is on disk as a whole or not at all. Any thread may call it. One
// process at a time has it open.
class Journal {
 public:
  // Opens or creates the journal at `path`. UNAVAILABLE: another coordinator has it open. INVALID_ARGUMENT: another
  // version wrote it. DATA_LOSS: it is damaged.
  static Result<std::unique_ptr<Journal>> Open(const std::string& path);
  // `path` names it in messages.
  Journal(std::string path, std::unique_ptr<KvStore> store) : path_(std::move(path)), store_(std::move(store)) {}

  // Returns the identity. Records `fresh` as the identity when there is none yet. RESOURCE_EXHAUSTED: the disk is full.
  Result<std::string> Identity(const std::string& fresh);
  // Returns all jobs, pipelines and hosts. DATA_LOSS names the record that cannot be read.
  Result<State> Load() const;
  // Writes all of `changes`, in order, as one synced batch. RESOURCE_EXHAUSTED: the disk is full, nothing was written.
  Status Commit(const std::vector<Changes>& changes);
  // Returns Ok when the disk takes writes.
  Status Probe();
  // Returns the specification of a job as it was submitted. NOT_FOUND, DATA_LOSS.
  Result<v1::JobSpec> Spec(std::uint64_t job) const;
  // Returns the newest `limit` events above `after`, oldest first: of one job, or of all with `job` 0. Reads no others.
  // One event that says so stands in place of a run of damaged events.
  Result<std::vector<v1::HistoryEvent>> Events(std::uint64_t after, std::uint64_t job, std::uint32_t limit) const;

 private:
  // Returns one event. NOT_FOUND, DATA_LOSS.
  Result<v1::HistoryEvent> EventAt(std::uint64_t sequence) const;
  // Returns the sequence of the newest event of `job`, or of all with `job` 0. Returns 0 when there is none.
  Result<std::uint64_t> LastEvent(std::uint64_t job) const;
  Status Damaged(std::string_view key) const;

  const std::string path_;
  const std::unique_ptr<KvStore> store_;
};

}  // namespace still::coordinator
