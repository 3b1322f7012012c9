// A key-value database that changes: the coordinator keeps its journal in one. One process at a time has it open.
// Records stay on disk and are read from there, so memory and the time to open do not grow with them. Reads go on when
// the disk is full. This file and sealed_kv.cc are the only owners of RocksDB. Fault point: kv.commit.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"

namespace still {

// Changes that take effect together or not at all. A key that is both deleted and put is put.
class KvBatch {
 public:
  void Put(std::string_view key, std::string_view value) { puts_.emplace_back(key, value); }
  void Delete(std::string_view key) { deletes_.emplace_back(key); }

  const std::vector<std::pair<std::string, std::string>>& puts() const { return puts_; }
  const std::vector<std::string>& deletes() const { return deletes_; }

 private:
  std::vector<std::pair<std::string, std::string>> puts_;
  std::vector<std::string> deletes_;
};

// An open database. Thread-safe. It survives a kill at any instant: a committed batch is there whole, any other is not.
class KvStore {
 public:
  // Opens the database at `path`, and creates it when there is none. UNAVAILABLE when another process has it open.
  // DATA_LOSS when it is damaged; the message says what to remove. On a full disk it opens for reading.
  //
  // Records under `log_prefix` are a log: each new key is above those before it, and none is written twice. They stand
  // in files that are written once and read only to answer a query, so damage in one file costs only the records in it.
  // An empty prefix means no log. One database always gets the same prefix.
  static Result<std::unique_ptr<KvStore>> Open(const std::string& path, const std::string& log_prefix = "");
  virtual ~KvStore() = default;

  // Stores the batch and syncs it to disk (unless STILL_FSYNC=off). RESOURCE_EXHAUSTED on a full disk: nothing was
  // stored, and the same call works once there is space. After any other failure the whole batch may be found stored
  // when the database is opened next.
  virtual Status Commit(const KvBatch& batch) = 0;
  // NOT_FOUND when absent, DATA_LOSS when damaged.
  virtual Result<std::string> Get(std::string_view key) const = 0;
  // Calls `visit` for each record whose key starts with `prefix`, in key order, until `visit` returns an error. `visit`
  // must not call this store. DATA_LOSS at the first damaged record.
  virtual Status ForEach(std::string_view prefix,
                         const std::function<Status(std::string_view key, std::string_view value)>& visit) const = 0;
};

}  // namespace still
