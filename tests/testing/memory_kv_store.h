// A key-value store in memory, on a disk that a test fills and frees, breaks and mends.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/storage/kv_store.h"

namespace still::testing {

// Holds what is stored, whether there is space, and whether it can be read. It outlives the store, as a disk does.
struct MemoryDisk {
  std::atomic<bool> full = false;
  std::atomic<bool> unreadable = false;
  std::atomic<int> refusals = 0;
  std::mutex mutex;
  std::map<std::string, std::string> records;
};

class MemoryKvStore : public KvStore {
 public:
  explicit MemoryKvStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Status Commit(const KvBatch& batch) override {
    if (disk_->full) {
      ++disk_->refusals;
      return Error(Code::kResourceExhausted, "no space left on device");
    }
    const std::scoped_lock lock(disk_->mutex);
    for (const std::string& key : batch.deletes()) disk_->records.erase(key);
    for (const auto& [key, value] : batch.puts()) disk_->records[key] = value;
    return Ok();
  }
  Result<std::string> Get(std::string_view key) const override {
    if (disk_->unreadable) return Unreadable();
    const std::scoped_lock lock(disk_->mutex);
    const auto found = disk_->records.find(std::string(key));
    if (found == disk_->records.end()) return Error(Code::kNotFound, "no record '{}'", key);
    return found->second;
  }
  Status ForEach(std::string_view prefix,
                 const std::function<Status(std::string_view, std::string_view)>& visit) const override {
    if (disk_->unreadable) return Unreadable();
    std::map<std::string, std::string> records;
    {
      const std::scoped_lock lock(disk_->mutex);
      records = disk_->records;
    }
    for (const auto& [key, value] : records) {
      if (key.starts_with(prefix)) STILL_RETURN_IF_ERROR(visit(key, value));
    }
    return Ok();
  }

 private:
  static Status Unreadable() { return Error(Code::kDataLoss, "input/output error"); }

  const std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace still::testing
