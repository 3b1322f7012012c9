// Translates RocksDB's errors, and keeps it from logging. For sealed_kv.cc and kv_store.cc alone.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace still::internal {

inline rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToText(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Keeps RocksDB from writing a LOG file beside the data.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// Returns the error for a refusal by the system, which tells nothing about the bytes on disk. Returns nothing for any
// other failure. RocksDB has no code for most of these cases, so its text is the only source.
inline std::optional<Status> RefusedBySystem(const rocksdb::Status& status, std::string_view action,
                                             const std::string& path) {
  const std::string reason = status.ToString();
  const auto says = [&](std::string_view words) { return reason.find(words) != reason.npos; };
  const auto refused = [&](Code code, std::string_view remedy) {
    return Error(code, "cannot {} database {}: {}: {}", action, path, reason, remedy);
  };
  if (status.IsNoSpace() || says("Disk quota exceeded")) {
    return refused(Code::kResourceExhausted, "free space on that file system and run again; nothing of it was stored");
  }
  if (says("Too many open files")) {
    return refused(Code::kResourceExhausted, "raise the limit of open files (ulimit -n) and run again");
  }
  if (says("Permission denied") || says("Read-only file system")) {
    return refused(Code::kPermissionDenied, "give this user access");
  }
  if (says("While lock file") || says("lock hold by")) {
    return refused(Code::kUnavailable, "another process has it open: wait for it to end");
  }
  return std::nullopt;
}

// Returns the error for a failed write.
inline Status WriteFailed(const rocksdb::Status& status, const std::string& path) {
  if (const auto refused = RefusedBySystem(status, "write", path)) return *refused;
  if (status.IsIOError()) {
    return Error(Code::kDataLoss, "cannot write database {}: {}: check disk, quota and permissions, then run again",
                 path, status.ToString());
  }
  return Error(Code::kInternal, "cannot write database {}: {}", path, status.ToString());
}

// Returns the error for a failed read. `remedy` says what to do about damage.
inline Status ReadFailed(const rocksdb::Status& status, const std::string& path,
                         std::string_view remedy = "remove it and run again to make it anew") {
  if (const auto refused = RefusedBySystem(status, "read", path)) return *refused;
  return Error(Code::kDataLoss, "database {} is damaged: {}: {}", path, status.ToString(), remedy);
}

}  // namespace still::internal
