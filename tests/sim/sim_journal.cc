#include "tests/sim/sim_journal.h"

#include <string_view>

#include "common/bytes.h"
#include "common/check.h"
#include "common/crc32c.h"
#include "common/digest.h"

namespace still::sim {
namespace {

using coordinator::Changes;

enum class Kind : std::uint8_t { kJob, kPipeline, kHost, kRemovedHost, kEvent };

void AppendRecord(std::string& out, Kind kind, std::string_view bytes) {
  AppendLittleEndian(out, kind);
  AppendLittleEndian(out, static_cast<std::uint32_t>(bytes.size()));
  out.append(bytes);
}

// A batch begins with its length and checksum. Its records follow.
std::string BatchOf(const Changes& changes) {
  std::string records;
  for (const auto& job : changes.jobs) AppendRecord(records, Kind::kJob, job.SerializeAsString());
  for (const auto& pipeline : changes.pipelines) AppendRecord(records, Kind::kPipeline, pipeline.SerializeAsString());
  for (const auto& host : changes.hosts) AppendRecord(records, Kind::kHost, host.SerializeAsString());
  for (const std::string& name : changes.removed_hosts) AppendRecord(records, Kind::kRemovedHost, name);
  for (const auto& event : changes.events) AppendRecord(records, Kind::kEvent, event.SerializeAsString());
  std::string batch;
  AppendLittleEndian(batch, static_cast<std::uint32_t>(records.size()));
  AppendLittleEndian(batch, Crc32c(AsBytes(records)));
  return batch + records;
}

template <typename Record>
void Parse(std::string_view bytes, std::vector<Record>* records) {
  const bool readable = records->emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  STILL_CHECK(readable, "a record whose checksum holds must be readable");
}

template <typename T>
T ReadNumber(std::string_view* bytes) {
  const T value = LoadLittleEndian<T>(AsBytes(*bytes).data());
  bytes->remove_prefix(sizeof value);
  return value;
}

Changes ParseBatch(std::string_view records) {
  Changes changes;
  while (!records.empty()) {
    const Kind kind = ReadNumber<Kind>(&records);
    const auto size = ReadNumber<std::uint32_t>(&records);
    const std::string_view bytes = records.substr(0, size);
    records.remove_prefix(size);
    switch (kind) {
      case Kind::kJob: Parse(bytes, &changes.jobs); break;
      case Kind::kPipeline: Parse(bytes, &changes.pipelines); break;
      case Kind::kHost: Parse(bytes, &changes.hosts); break;
      case Kind::kRemovedHost: changes.removed_hosts.emplace_back(bytes); break;
      case Kind::kEvent: Parse(bytes, &changes.events); break;
    }
  }
  return changes;
}

}  // namespace

Status SimJournal::Commit(const Changes& changes) {
  if (full_) return Error(Code::kResourceExhausted, "cannot write the journal: no space left on device");
  log_ += BatchOf(changes);
  return Ok();
}

bool SimJournal::DieInCommit(const Changes& changes, std::size_t written) {
  if (full_) return false;
  const std::string batch = BatchOf(changes);
  log_ += batch.substr(0, written);
  return written >= batch.size();
}

std::vector<Changes> SimJournal::Replay() {
  std::vector<Changes> batches;
  std::string_view rest = log_;
  constexpr std::size_t kHeader = 2 * sizeof(std::uint32_t);
  while (rest.size() >= kHeader) {
    std::string_view at = rest;
    const auto size = ReadNumber<std::uint32_t>(&at);
    const auto checksum = ReadNumber<std::uint32_t>(&at);
    if (at.size() < size || Crc32c(AsBytes(at.substr(0, size))) != checksum) break;
    batches.push_back(ParseBatch(at.substr(0, size)));
    rest.remove_prefix(kHeader + size);
  }
  log_.resize(log_.size() - rest.size());
  return batches;
}

std::uint32_t SimJournal::Checksum() const { return Crc32c(AsBytes(log_)); }

}  // namespace still::sim
