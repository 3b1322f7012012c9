#include "common/storage/sealed_kv.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <optional>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/digest.h"
#include "common/faults/fault_point.h"
#include "common/progress.h"
#include "common/storage/files.h"
#include "common/storage/rocksdb_status.h"
#include "common/storage/staging.h"

namespace still {
namespace {

using internal::ReadFailed;
using internal::ToSlice;
using internal::ToText;
using internal::WriteFailed;

// A RocksDB key is one of these letters and our key. The properties are the last record of the table.
constexpr char kRecord = 'r';
constexpr char kProperties = 'z';
constexpr std::size_t kCrcBytes = sizeof(std::uint32_t);

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.compression = rocksdb::kNoCompression;
  options.disable_auto_compactions = true;
  options.info_log = std::make_shared<internal::SilentLogger>();
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // each record is read once per epoch, so the page cache is enough
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::uint32_t RecordCrc(std::string_view key, std::string_view value) {
  return Crc32c(AsBytes(value), Crc32c(AsBytes(key)));
}

// Returns the value inside a stored one, after checking its checksum.
Result<std::string_view> Unwrap(const rocksdb::Slice& stored_key, const rocksdb::Slice& stored,
                                const std::string& path) {
  if (stored.size() >= kCrcBytes) {
    const std::string_view value = ToText(stored).substr(0, stored.size() - kCrcBytes);
    const auto crc = LoadLittleEndian<std::uint32_t>(AsBytes(ToText(stored)).data() + value.size());
    if (crc == RecordCrc(ToText(stored_key), value)) return value;
  }
  return Error(Code::kDataLoss,
               "database {} is damaged: the checksum of record 0x{} does not match: remove it and run again to make it "
               "anew",
               path, stored_key.ToString(/*hex=*/true).substr(2));
}

class Writer final : public SealedKvWriter {
 public:
  Writer(std::string path, std::unique_ptr<StagedDirectory> staged)
      : path_(std::move(path)),
        staged_(std::move(staged)),
        table_path_(JoinPath(staged_->path(), "records")),
        table_(rocksdb::EnvOptions(), DatabaseOptions()) {}

  Status Open() {
    const rocksdb::Status status = table_.Open(table_path_);
    return status.ok() ? Ok() : WriteFailed(status, path_);
  }

  Status Put(std::string_view key, std::string_view value) override {
    STILL_CHECK(!last_key_ || *last_key_ < key, "keys ascend strictly");
    last_key_ = key;
    return Append(kRecord, key, value);
  }

  Status Seal(std::string_view properties) override {
    STILL_RETURN_IF_ERROR(Append(kProperties, "", properties));
    rocksdb::Status status = table_.Finish();
    MarkProgress();
    if (status.ok()) status = Ingest();
    if (!status.ok()) return WriteFailed(status, path_);
    MarkProgress();
    STILL_RETURN_IF_ERROR(FaultPoint("kv.seal"));
    return staged_->Commit();
  }

 private:
  Status Append(char kind, std::string_view key, std::string_view value) {
    stored_key_.assign(1, kind).append(key);
    stored_.assign(value);
    AppendLittleEndian(stored_, RecordCrc(stored_key_, value));
    const rocksdb::Status status = table_.Put(stored_key_, stored_);
    MarkProgress();
    return status.ok() ? Ok() : WriteFailed(status, path_);
  }

  // Makes a new database around the finished table, which is moved and not copied.
  rocksdb::Status Ingest() {
    rocksdb::Options options = DatabaseOptions();
    options.create_if_missing = true;
    options.error_if_exists = true;
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(options, staged_->path(), &opened);
    const std::unique_ptr<rocksdb::DB> database(opened);
    rocksdb::IngestExternalFileOptions ingest;
    ingest.move_files = true;
    if (status.ok()) status = database->IngestExternalFile({table_path_}, ingest);
    if (status.ok()) status = database->Close();
    return status;
  }

  std::string path_;
  std::unique_ptr<StagedDirectory> staged_;
  std::string table_path_;
  rocksdb::SstFileWriter table_;
  std::optional<std::string> last_key_;
  std::string stored_key_;
  std::string stored_;
};

class Reader final : public SealedKv {
 public:
  Reader(std::string path, std::unique_ptr<rocksdb::DB> database)
      : path_(std::move(path)), database_(std::move(database)) {}

  Status ReadProperties() {
    const Status status = GetStored(std::string(1, kProperties), &properties_);
    if (status.code() != Code::kNotFound) return status;
    return Error(Code::kDataLoss, "database {} was never sealed: remove it and run again to make it anew", path_);
  }

  Status Get(std::string_view key, std::string* value) const override {
    const Status status = GetStored(std::string(1, kRecord).append(key), value);
    if (status.code() != Code::kNotFound) return status;
    return Error(Code::kNotFound, "database {} has no record 0x{}", path_, ToSlice(key).ToString(/*hex=*/true));
  }

  Status ForEach(const std::function<Status(std::string_view, std::string_view)>& visit) const override {
    const std::unique_ptr<rocksdb::Iterator> at(database_->NewIterator(ReadOptions()));
    for (at->SeekToFirst(); at->Valid() && at->key()[0] == kRecord; at->Next()) {
      STILL_ASSIGN_OR_RETURN(const std::string_view value, Unwrap(at->key(), at->value(), path_));
      STILL_RETURN_IF_ERROR(visit(ToText(at->key()).substr(1), value));
    }
    return at->status().ok() ? Ok() : ReadFailed(at->status(), path_);
  }

  const std::string& properties() const override { return properties_; }

 private:
  static rocksdb::ReadOptions ReadOptions() {
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    return options;
  }

  Status GetStored(const std::string& stored_key, std::string* value) const {
    rocksdb::PinnableSlice stored;
    const rocksdb::Status status = database_->Get(ReadOptions(), database_->DefaultColumnFamily(), stored_key, &stored);
    if (status.IsNotFound()) return Status(Code::kNotFound, "");
    if (!status.ok()) return ReadFailed(status, path_);
    STILL_ASSIGN_OR_RETURN(const std::string_view unwrapped, Unwrap(stored_key, stored, path_));
    value->assign(unwrapped);
    return Ok();
  }

  std::string path_;
  std::unique_ptr<rocksdb::DB> database_;
  std::string properties_;
};

}  // namespace

Result<std::unique_ptr<SealedKvWriter>> SealedKvWriter::Create(const std::string& path, const std::string& staged_as) {
  STILL_ASSIGN_OR_RETURN(auto staged, StagedDirectory::Create(path, staged_as));
  auto writer = std::make_unique<Writer>(path, std::move(staged));
  STILL_RETURN_IF_ERROR(writer->Open());
  return std::unique_ptr<SealedKvWriter>(std::move(writer));
}

Result<std::unique_ptr<SealedKv>> SealedKv::Open(const std::string& path) {
  if (!Exists(path)) return Error(Code::kNotFound, "there is no database {}", path);
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(DatabaseOptions(), path, &opened);
  if (!status.ok()) return ReadFailed(status, path);
  MarkProgress();
  auto reader = std::make_unique<Reader>(path, std::unique_ptr<rocksdb::DB>(opened));
  STILL_RETURN_IF_ERROR(reader->ReadProperties());
  return std::unique_ptr<SealedKv>(std::move(reader));
}

}  // namespace still
