#include "common/kv_store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

#include "common/fault_point.h"
#include "common/files.h"
#include "common/rocksdb_status.h"

namespace still {
namespace {

using internal::ReadFailed;
using internal::ToSlice;
using internal::ToText;
using internal::WriteFailed;

// Ours, beside RocksDB's own: it is held while the database is closed and opened again after a failure, too.
constexpr char kLockFile[] = "owner.lock";

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = std::size_t{1} << 20;
  // Space taken ahead of the data would be missing on a disk that is nearly full.
  options.allow_fallocate = false;
  options.manifest_preallocation_size = std::size_t{64} << 10;
  // A batch torn by a crash is the last thing in the log and was never acknowledged. Anything else that cannot be read
  // is damage, and opening says so instead of forgetting what followed it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.info_log = std::make_shared<internal::SilentLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

// An empty database appears under `path` whole, so that a file missing in it later is damage and no new database.
Status CreateDatabase(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) {
    STILL_RETURN_IF_ERROR(MakeDirectories(parent));
    STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(parent));
  }
  STILL_ASSIGN_OR_RETURN(const auto staged, StagedDirectory::Create(path));
  rocksdb::Options options = DatabaseOptions();
  options.create_if_missing = true;
  options.error_if_exists = true;
  rocksdb::DB* opened = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, staged->path(), &opened);
  const std::unique_ptr<rocksdb::DB> database(opened);
  if (status.ok()) status = database->Close();
  if (!status.ok()) return WriteFailed(status, path);
  const Status committed = staged->Commit();
  return committed.code() == Code::kAlreadyExists ? Ok() : committed;
}

class Store final : public KvStore {
 public:
  Store(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  // Opens the database and reads all of it. Also after a write failed: RocksDB takes no more writes then, and what it
  // has in memory need not be what its log says.
  Status Connect() {
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(), path_, &opened);
    std::unique_ptr<rocksdb::DB> database(opened);
    if (!status.ok()) return OpenFailed(status);
    std::map<std::string, std::string, std::less<>> records;
    const std::unique_ptr<rocksdb::Iterator> at(database->NewIterator(rocksdb::ReadOptions()));
    for (at->SeekToFirst(); at->Valid(); at->Next())
      records.emplace_hint(records.end(), ToText(at->key()), ToText(at->value()));
    if (!at->status().ok()) return OpenFailed(at->status());
    records_ = std::move(records);
    database_ = std::move(database);
    return Ok();
  }

  Status Commit(const KvBatch& batch) override {
    rocksdb::WriteBatch changes;
    rocksdb::Status status;
    for (const std::string& key : batch.deletes()) {
      if (status.ok()) status = changes.Delete(key);
    }
    for (const auto& [key, value] : batch.puts()) {
      if (status.ok()) status = changes.Put(key, value);
    }
    STILL_CHECK(status.ok(), status.ToString());

    const std::scoped_lock lock(mutex_);
    STILL_RETURN_IF_ERROR(FaultPoint("kv.commit").WithContext(path_));
    if (database_ == nullptr) STILL_RETURN_IF_ERROR(Connect());
    rocksdb::WriteOptions options;
    options.sync = SyncWanted();
    status = database_->Write(options, &changes);
    if (!status.ok()) {
      database_.reset();
      return WriteFailed(status, path_);
    }
    for (const std::string& key : batch.deletes()) records_.erase(key);
    for (const auto& [key, value] : batch.puts()) records_.insert_or_assign(key, value);
    return Ok();
  }

  Result<std::string> Get(std::string_view key) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = records_.find(key);
    if (found != records_.end()) return found->second;
    return Error(Code::kNotFound, "database {} has no record '{}'", path_, key);
  }

  Status ForEach(std::string_view prefix,
                 const std::function<Status(std::string_view, std::string_view)>& visit) const override {
    for (const auto& [key, value] : Matching(prefix)) STILL_RETURN_IF_ERROR(visit(key, value));
    return Ok();
  }

 private:
  // A copy: what is called with it may change the database.
  std::vector<std::pair<std::string, std::string>> Matching(std::string_view prefix) const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::pair<std::string, std::string>> matching;
    for (auto at = records_.lower_bound(prefix); at != records_.end() && at->first.starts_with(prefix); ++at)
      matching.emplace_back(*at);
    return matching;
  }

  Status OpenFailed(const rocksdb::Status& status) const {
    return ReadFailed(status, path_,
                      fmt::format("what it recorded cannot be trusted any more: remove {} and run again", path_));
  }

  const std::string path_;
  const FileLock lock_;
  mutable std::mutex mutex_;
  std::unique_ptr<rocksdb::DB> database_;  // null after a failed write, until the next one
  std::map<std::string, std::string, std::less<>> records_;
};

}  // namespace

Result<std::unique_ptr<KvStore>> KvStore::Open(const std::string& path) {
  if (!Exists(path)) STILL_RETURN_IF_ERROR(CreateDatabase(path));
  STILL_ASSIGN_OR_RETURN(FileLock lock, FileLock::TryAcquire(JoinPath(path, kLockFile)));
  auto store = std::make_unique<Store>(path, std::move(lock));
  STILL_RETURN_IF_ERROR(store->Connect());
  return std::unique_ptr<KvStore>(std::move(store));
}

}  // namespace still
