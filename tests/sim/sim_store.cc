#include "tests/sim/sim_store.h"

#include <utility>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/digest.h"

namespace still::sim {
namespace {

using coordinator::Changes;

Status Closed() { return Error(Code::kResourceExhausted, "the database is closed"); }

template <typename Record>
void Parse(std::string_view bytes, std::vector<Record>* records) {
  const bool readable = records->emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  STILL_CHECK(readable, "what is committed must be readable");
}

// The order in which the journal writes the records of one change.
int KindOf(std::string_view key) {
  if (key.starts_with("job/")) return 0;
  if (key.starts_with("pipeline/")) return 1;
  return key.starts_with("host/") ? 2 : 3;
}

}  // namespace

// The records of each change are sorted. So a record that sorts before its predecessor begins the next change.
std::vector<Changes> ChangesOf(const KvBatch& batch) {
  std::vector<Changes> all(1);
  std::pair<int, std::string_view> last(-1, "");
  for (const auto& [key, value] : batch.puts()) {
    const std::pair<int, std::string_view> at(KindOf(key), key);
    if (at <= last) all.emplace_back();
    last = at;
    Changes& changes = all.back();
    switch (at.first) {
      case 0: Parse(value, &changes.jobs); break;
      case 1: Parse(value, &changes.pipelines); break;
      case 2: Parse(value, &changes.hosts); break;
      default:
        if (key.starts_with("history/")) Parse(value, &changes.events);
    }
  }
  for (const std::string& key : batch.deletes()) all.front().removed_hosts.push_back(key.substr(sizeof("host/") - 1));
  return all;
}

Status SimStore::Commit(const KvBatch& batch) {
  if (*around_.full || closed_) closed_ = around_.closes();
  if (*around_.full) return Error(Code::kResourceExhausted, "no space left on device");
  if (around_.dies()) {
    if (around_.whole()) Write(batch);
    return Error(Code::kUnavailable, "the writer is dead");
  }
  Write(batch);
  return Ok();
}

void SimStore::Write(const KvBatch& batch) {
  SimDisk& disk = *around_.disk;
  for (const std::string& key : batch.deletes()) disk.records.erase(key);
  for (const auto& [key, value] : batch.puts()) {
    disk.records[key] = value;
    disk.checksum = Crc32c(AsBytes(value), Crc32c(AsBytes(key), disk.checksum));
  }
  around_.committed(ChangesOf(batch));
}

Result<std::string> SimStore::Get(std::string_view key) const {
  if (closed_) return Closed();
  const auto found = around_.disk->records.find(std::string(key));
  if (found == around_.disk->records.end()) return Error(Code::kNotFound, "no record '{}'", key);
  return found->second;
}

Status SimStore::ForEach(std::string_view prefix,
                         const std::function<Status(std::string_view, std::string_view)>& visit) const {
  if (closed_) return Closed();
  const auto& records = around_.disk->records;
  for (auto at = records.lower_bound(std::string(prefix)); at != records.end() && at->first.starts_with(prefix); ++at)
    STILL_RETURN_IF_ERROR(visit(at->first, at->second));
  return Ok();
}

}  // namespace still::sim
