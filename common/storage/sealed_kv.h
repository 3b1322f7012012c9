// Sealed key-value databases: one process writes one in ascending key order, then many read it. This file and
// kv_store.cc are the only owners of RocksDB. Each record carries a CRC-32C of its own, which every read checks beside
// RocksDB's checks.
//
// The table is written with SstFileWriter and ingested, which is faster than puts and needs no write-ahead log and no
// compaction. Compression is off, because target records do not compress. Fault point: kv.seal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

// Builds a database under a temporary name, which becomes its final path at Seal. Destroyed before that, it leaves
// nothing. Owned by one thread.
class SealedKvWriter {
 public:
  // `staged_as` means what it means for StagedDirectory.
  static Result<std::unique_ptr<SealedKvWriter>> Create(const std::string& path, const std::string& staged_as);
  static Result<std::unique_ptr<SealedKvWriter>> Create(const std::string& path) { return Create(path, path); }
  virtual ~SealedKvWriter() = default;

  // Adds a record. Keys must ascend strictly; anything else is a bug.
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  // Syncs the database and renames it. `properties` is free text that is kept with it, for example its identity.
  virtual Status Seal(std::string_view properties) = 0;
};

// A sealed database, open for reading. Thread-safe.
class SealedKv {
 public:
  static Result<std::unique_ptr<SealedKv>> Open(const std::string& path);
  virtual ~SealedKv() = default;

  // Reads a record into `*value`, whose memory is reused. NOT_FOUND when there is none, DATA_LOSS when it is damaged.
  virtual Status Get(std::string_view key, std::string* value) const = 0;
  // Calls `visit` for each record in key order until it returns an error.
  virtual Status ForEach(const std::function<Status(std::string_view key, std::string_view value)>& visit) const = 0;
  virtual const std::string& properties() const = 0;
};

}  // namespace still
