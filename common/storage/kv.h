// Sealed key-value databases: written once by one process in ascending key order, then read by many. With
// common/storage/kv_store.cc the only owner of RocksDB. Records carry a CRC-32C of their own, checked at every read,
// beside what RocksDB itself checks.
//
// Written with SstFileWriter and ingested (reference: faster than puts, no WAL, no compaction), compression off,
// since target records are incompressible. Fault point: kv.seal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

// Builds a database under a staged name; it stands at its final path only after Seal. One thread. Destroyed without
// Seal, it leaves nothing.
class SealedKvWriter {
 public:
  // `staged_as`: as for StagedDirectory.
  static Result<std::unique_ptr<SealedKvWriter>> Create(const std::string& path, const std::string& staged_as);
  static Result<std::unique_ptr<SealedKvWriter>> Create(const std::string& path) { return Create(path, path); }
  virtual ~SealedKvWriter() = default;

  // Keys must ascend strictly; a violation is a broken invariant.
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  // `properties` is free text kept with the database (for example its identity). Syncs, then renames.
  virtual Status Seal(std::string_view properties) = 0;
};

// Read-only view of a sealed database. Thread-safe.
class SealedKv {
 public:
  static Result<std::unique_ptr<SealedKv>> Open(const std::string& path);
  virtual ~SealedKv() = default;

  // The value in `*value` (reused as a buffer). NOT_FOUND when absent, DATA_LOSS when its checksum does not match.
  virtual Status Get(std::string_view key, std::string* value) const = 0;
  // Calls `visit` for each record in key order until it returns an error.
  virtual Status ForEach(const std::function<Status(std::string_view key, std::string_view value)>& visit) const = 0;
  virtual const std::string& properties() const = 0;
};

}  // namespace still
