// A key-value database that changes: what a journal is kept in. One process at a time has it open. Records are on disk,
// and read from there: memory and the time to open it do not grow with them. Reads go on when the disk is full. With
// common/storage/kv.cc the only owner of RocksDB. Fault point: kv.commit.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"

namespace still {

// Changes that take effect together or not at all; of a key both deleted and put, the put.
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

// Thread-safe. Survives a kill at any instant: a batch that was committed is there, one that was not is not.
class KvStore {
 public:
  // Creates the directory when it is not there. UNAVAILABLE when another process has it open; DATA_LOSS when it cannot
  // be opened for damage: the message says what to remove. On a full disk it opens to be read.
  //
  // Records under `log_prefix` are a log: each new key is above those before it, and none is written twice. They stand
  // in files that are written once and never read again but to answer a question: damage in one of them costs nothing
  // but the records beside it. Empty: there is no log; always the same for one database.
  static Result<std::unique_ptr<KvStore>> Open(const std::string& path, const std::string& log_prefix = "");
  virtual ~KvStore() = default;

  // Synced to disk when it returns Ok (but under STILL_FSYNC=off). RESOURCE_EXHAUSTED on a full disk: nothing of it
  // happened, and once there is space the same call works. After any other failure it may be found done, whole, when
  // the database is opened next.
  virtual Status Commit(const KvBatch& batch) = 0;
  // NOT_FOUND when absent, DATA_LOSS when damaged.
  virtual Result<std::string> Get(std::string_view key) const = 0;
  // Records whose key starts with `prefix`, in key order, until `visit`, which must not call this store, returns an
  // error. DATA_LOSS where a damaged one comes.
  virtual Status ForEach(std::string_view prefix,
                         const std::function<Status(std::string_view key, std::string_view value)>& visit) const = 0;
};

}  // namespace still
