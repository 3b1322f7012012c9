#include "common/storage/kv_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <mutex>

#include "common/faults/fault_point.h"
#include "common/log.h"
#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "common/storage/rocksdb_status.h"
#include "common/storage/staging.h"

namespace still {
namespace {

using internal::ReadFailed;
using internal::ToSlice;
using internal::ToText;
using internal::WriteFailed;

// Our lock beside RocksDB's own. It stays held while the database is closed and opened again after a failure.
constexpr char kLockFile[] = "owner.lock";
constexpr char kLogFamily[] = "log";

// Bounds the memory, and the log that is read when the database is opened.
constexpr std::size_t kWriteBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kCacheBytes = std::size_t{8} << 20;
constexpr std::uint64_t kUnflushedBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kManifestBytes = std::uint64_t{4} << 20;
constexpr int kOpenFiles = 128;

rocksdb::Options DatabaseOptions() {
  rocksdb::BlockBasedTableOptions tables;
  tables.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  tables.cache_index_and_filter_blocks = true;
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(tables));
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_total_wal_size = kUnflushedBytes;
  options.max_manifest_file_size = kManifestBytes;
  options.max_open_files = kOpenFiles;
  // Preallocated space would be missing on a disk that is nearly full.
  options.allow_fallocate = false;
  options.manifest_preallocation_size = std::size_t{64} << 10;
  // A batch torn by a crash is the last thing in the log and was never acknowledged. Anything else that cannot be read
  // is damage, and opening says so instead of forgetting what followed it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.info_log = std::make_shared<internal::SilentLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Files of rising keys move down the levels as they are, so none is rewritten for its age.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  return options;
}

// An open RocksDB database. It may be destroyed at any time.
class Database {
 public:
  enum class Access { kCreate, kWrite, kRead };

  rocksdb::Status Open(const std::string& path, bool has_log, Access access) {
    rocksdb::Options options = DatabaseOptions();
    options.create_if_missing = options.error_if_exists = access == Access::kCreate;
    options.create_missing_column_families = access != Access::kRead;
    std::vector<rocksdb::ColumnFamilyDescriptor> families = {{rocksdb::kDefaultColumnFamilyName, options}};
    if (has_log) families.emplace_back(kLogFamily, options);
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = access == Access::kRead
                                       ? rocksdb::DB::OpenForReadOnly(options, path, families, &families_, &opened)
                                       : rocksdb::DB::Open(options, path, families, &families_, &opened);
    database_.reset(opened);
    return status;
  }
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families_) delete family;
  }

  rocksdb::DB& operator*() const { return *database_; }
  rocksdb::DB* operator->() const { return database_.get(); }
  rocksdb::ColumnFamilyHandle* records() const { return families_.front(); }
  rocksdb::ColumnFamilyHandle* log() const { return families_.back(); }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;  // owned; destroyed before the database
};

// Makes an empty database appear under `path` whole. A file that is missing in it later is then known to be damage.
Status CreateDatabase(const std::string& path, bool has_log) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) {
    STILL_RETURN_IF_ERROR(MakeDirectories(parent));
    STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(parent));
  }
  STILL_ASSIGN_OR_RETURN(const auto staged, StagedDirectory::Create(path));
  {
    Database database;
    const rocksdb::Status status = database.Open(staged->path(), has_log, Database::Access::kCreate);
    if (!status.ok()) return WriteFailed(status, path);
  }
  const Status committed = staged->Commit();
  return committed.code() == Code::kAlreadyExists ? Ok() : committed;
}

class Store final : public KvStore {
 public:
  Store(std::string path, std::string log_prefix, FileLock lock)
      : path_(std::move(path)), log_prefix_(std::move(log_prefix)), lock_(std::move(lock)) {}

  // Opens the database, for reading only where the system allows no more. It is called after a failed write too,
  // because RocksDB then takes no more writes and its memory may differ from its log.
  Status Connect() {
    const auto open = [&](Database::Access access) -> Status {
      database_.reset();
      auto database = std::make_unique<Database>();
      const rocksdb::Status status = database->Open(path_, !log_prefix_.empty(), access);
      if (!status.ok()) return ReadRefused(status);
      database_ = std::move(database);
      return Ok();
    };
    trouble_ = open(Database::Access::kWrite);
    if (trouble_.code() == Code::kResourceExhausted) {
      if (const Status read = open(Database::Access::kRead); !read.ok()) LogDebug("{}", read.message());
    }
    return trouble_;
  }

  bool Readable() const { return database_ != nullptr; }

  Status Commit(const KvBatch& batch) override {
    const std::scoped_lock lock(mutex_);
    STILL_RETURN_IF_ERROR(FaultPoint("kv.commit").WithContext(path_));
    if (!trouble_.ok()) STILL_RETURN_IF_ERROR(Connect());

    rocksdb::WriteBatch changes;
    rocksdb::Status status;
    for (const std::string& key : batch.deletes()) {
      if (status.ok()) status = changes.Delete(FamilyOf(key), key);
    }
    for (const auto& [key, value] : batch.puts()) {
      if (status.ok()) status = changes.Put(FamilyOf(key), key, value);
    }
    STILL_CHECK(status.ok(), status.ToString());
    rocksdb::WriteOptions options;
    options.sync = SyncWanted();
    status = (*database_)->Write(options, &changes);
    if (!status.ok()) trouble_ = WriteFailed(status, path_);
    return trouble_;
  }

  Result<std::string> Get(std::string_view key) const override {
    const std::scoped_lock lock(mutex_);
    if (database_ == nullptr) return trouble_;
    std::string value;
    const rocksdb::Status status = (*database_)->Get(rocksdb::ReadOptions(), FamilyOf(key), ToSlice(key), &value);
    if (status.IsNotFound()) return Error(Code::kNotFound, "database {} has no record '{}'", path_, key);
    if (!status.ok()) return ReadRefused(status);
    return value;
  }

  Status ForEach(std::string_view prefix,
                 const std::function<Status(std::string_view, std::string_view)>& visit) const override {
    const std::scoped_lock lock(mutex_);
    if (database_ == nullptr) return trouble_;
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> at((*database_)->NewIterator(options, FamilyOf(prefix)));
    for (at->Seek(ToSlice(prefix)); at->Valid() && ToText(at->key()).starts_with(prefix); at->Next())
      STILL_RETURN_IF_ERROR(visit(ToText(at->key()), ToText(at->value())));
    return at->status().ok() ? Ok() : ReadRefused(at->status());
  }

 private:
  rocksdb::ColumnFamilyHandle* FamilyOf(std::string_view key) const {
    return !log_prefix_.empty() && key.starts_with(log_prefix_) ? database_->log() : database_->records();
  }

  Status ReadRefused(const rocksdb::Status& status) const {
    return ReadFailed(status, path_,
                      fmt::format("what it recorded cannot be trusted any more: remove {} and run again", path_));
  }

  const std::string path_;
  const std::string log_prefix_;
  const FileLock lock_;
  mutable std::mutex mutex_;
  std::unique_ptr<Database> database_;  // null when it could not even be opened for reading
  Status trouble_;                      // why it takes no writes until it is opened again; Ok when it takes them
};

}  // namespace

Result<std::unique_ptr<KvStore>> KvStore::Open(const std::string& path, const std::string& log_prefix) {
  if (!Exists(path)) STILL_RETURN_IF_ERROR(CreateDatabase(path, !log_prefix.empty()));
  STILL_ASSIGN_OR_RETURN(FileLock lock, FileLock::TryAcquire(JoinPath(path, kLockFile)));
  auto store = std::make_unique<Store>(path, log_prefix, std::move(lock));
  const Status connected = store->Connect();
  if (!connected.ok() && !store->Readable()) return connected;
  return std::unique_ptr<KvStore>(std::move(store));
}

}  // namespace still
