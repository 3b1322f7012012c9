// The coordinator's memory, in a database of its own:
//   job/<id> pipeline/<id> host/<name>    the records of state.h
//   spec/<id>                             of a job, whole: what its agent needs
//   history/<sequence>                    1, 2, 3 ...; a job's lines are a chain: each names the one before
//   last_event                            the newest sequence
//   identity                              drawn when it was made: numbers of jobs mean something in this journal alone
//   probe                                 written to find out whether the disk takes writes again
// Jobs, pipelines and hosts are read once; all else stays on disk until somebody asks.
// What was committed is on disk, all of it or nothing. Thread-safe, as its store; one process at a time has it open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/kv_store.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

class Journal {
 public:
  // UNAVAILABLE when another coordinator has it open; DATA_LOSS when it is damaged, with what to do. One of the version
  // before is rewritten.
  static Result<std::unique_ptr<Journal>> Open(const std::string& path);
  // `path` names it in messages.
  Journal(std::string path, std::unique_ptr<KvStore> store) : path_(std::move(path)), store_(std::move(store)) {}

  // `fresh` becomes it where there is none yet; RESOURCE_EXHAUSTED when that cannot be kept.
  Result<std::string> Identity(const std::string& fresh);
  // All jobs, pipelines and hosts. DATA_LOSS names the record that makes no sense.
  Result<State> Load() const;
  // All of `changes`, in order, as one synced batch. RESOURCE_EXHAUSTED on a full disk: nothing of it happened.
  Status Commit(const std::vector<Changes>& changes);
  // Whether the disk takes writes.
  Status Probe();
  // What was submitted. NOT_FOUND, DATA_LOSS.
  Result<stillhouse::v1::JobSpec> Spec(std::uint64_t job) const;
  // Events with a sequence above `after`, of `job` (0: all), the newest `limit` of them, oldest first. Reads no others.
  // In place of those that are damaged stands one line that says so.
  Result<std::vector<stillhouse::v1::HistoryEvent>> Events(std::uint64_t after, std::uint64_t job,
                                                           std::uint32_t limit) const;

 private:
  Status UpgradeSome(bool* done);
  Result<stillhouse::v1::HistoryEvent> EventAt(std::uint64_t sequence) const;
  Result<std::uint64_t> LastEvent(std::uint64_t job) const;
  Status Damaged(std::string_view key) const;

  const std::string path_;
  const std::unique_ptr<KvStore> store_;
};

}  // namespace still::coordinator
