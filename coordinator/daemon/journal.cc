#include "coordinator/daemon/journal.h"

#include <algorithm>
#include <cstdlib>

namespace still::coordinator {
namespace {

using v1::HistoryEvent;
using v1::Host;
using v1::Job;
using v1::JobSpec;
using v1::Pipeline;

constexpr char kLastEvent[] = "last_event";
constexpr char kFormatKey[] = "format";
constexpr char kFormat[] = "2";     // rises with every change that older or newer binaries would misread
constexpr int kMostReads = 20'000;  // reads per answer; only damage makes more reads than events

// Returns a key whose order among keys is that of the numbers.
std::string Key(std::string_view kind, std::uint64_t number) { return fmt::format("{}/{:020}", kind, number); }
std::string HostKey(const std::string& name) { return fmt::format("host/{}", name); }

HistoryEvent Gap(std::uint64_t sequence, std::uint64_t job) {
  HistoryEvent gap;
  gap.set_sequence(sequence);
  gap.set_job(job);
  gap.set_actor("coordinator");
  gap.set_message("here the journal is damaged: this event, and some before it, cannot be read");
  return gap;
}

// Refuses a store that holds records of another format.
Status CheckFormat(const std::string& path, const KvStore& store) {
  const Result<std::string> format = store.Get(kFormatKey);
  if (format.ok() && *format == kFormat) return Ok();
  if (!format.ok() && format.status().code() != Code::kNotFound) return format.status();
  const Status first = store.ForEach("", [](auto, auto) { return Error(Code::kAlreadyExists, "a record"); });
  if (first.code() == Code::kAlreadyExists)
    return Error(Code::kInvalidArgument,
                 "the journal {} was written by another version of still: move the state directory away and start "
                 "again; artifacts and checkpoints stay usable, the queue and its history do not",
                 path);
  return first;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::Open(path, "history/"));
  STILL_RETURN_IF_ERROR(CheckFormat(path, *store));
  return std::make_unique<Journal>(path, std::move(store));
}

Result<std::string> Journal::Identity(const std::string& fresh) {
  Result<std::string> known = store_->Get("identity");
  if (fresh.empty() || known.status().code() != Code::kNotFound) return known.ok() ? *known : fresh;
  KvBatch batch;
  batch.Put(kFormatKey, kFormat);
  batch.Put("identity", fresh);
  STILL_RETURN_IF_ERROR(store_->Commit(batch));
  return fresh;
}

Result<State> Journal::Load() const {
  Changes all;
  const auto read = [&]<typename Record>(std::string_view prefix, std::vector<Record>* records) {
    return store_->ForEach(prefix, [&](std::string_view key, std::string_view value) -> Status {
      if (!records->emplace_back().ParseFromArray(value.data(), static_cast<int>(value.size()))) return Damaged(key);
      return Ok();
    });
  };
  STILL_RETURN_IF_ERROR(read("job/", &all.jobs));
  STILL_RETURN_IF_ERROR(read("pipeline/", &all.pipelines));
  STILL_RETURN_IF_ERROR(read("host/", &all.hosts));
  STILL_ASSIGN_OR_RETURN(const std::uint64_t last, LastEvent(0));
  all.events.emplace_back().set_sequence(last);  // the next event gets the number after it
  State state;
  state.Apply(all);
  return state;
}

Status Journal::Commit(const std::vector<Changes>& changes) {
  KvBatch batch;
  batch.Put(kFormatKey, kFormat);
  for (const Changes& change : changes) {
    for (const Job& job : change.jobs) batch.Put(Key("job", job.id()), job.SerializeAsString());
    for (const Pipeline& pipeline : change.pipelines)
      batch.Put(Key("pipeline", pipeline.id()), pipeline.SerializeAsString());
    for (const Host& host : change.hosts) batch.Put(HostKey(host.name()), host.SerializeAsString());
    for (const std::string& host : change.removed_hosts) batch.Delete(HostKey(host));
    for (const HistoryEvent& event : change.events)
      batch.Put(Key("history", event.sequence()), event.SerializeAsString());
    if (!change.events.empty()) batch.Put(kLastEvent, fmt::format("{}", change.events.back().sequence()));
    for (const auto& [id, spec] : change.specs) batch.Put(Key("spec", id), spec.SerializeAsString());
  }
  return store_->Commit(batch);
}

Status Journal::Probe() {
  KvBatch batch;
  batch.Put("probe", "");
  return store_->Commit(batch);
}

Result<JobSpec> Journal::Spec(std::uint64_t job) const {
  const Result<std::string> record = store_->Get(Key("spec", job));
  const Code code = record.status().code();
  JobSpec spec;
  if (code == Code::kDataLoss || (record.ok() && !spec.ParseFromString(*record)))
    return Error(Code::kDataLoss,
                 "the journal {} is damaged where it holds what was submitted as job {}: submit it again", path_, job);
  STILL_RETURN_IF_ERROR(record.status());
  return spec;
}

Result<HistoryEvent> Journal::EventAt(std::uint64_t sequence) const {
  const std::string key = Key("history", sequence);
  STILL_ASSIGN_OR_RETURN(const std::string record, store_->Get(key));
  HistoryEvent event;
  if (!event.ParseFromString(record)) return Damaged(key);
  return event;
}

Result<std::uint64_t> Journal::LastEvent(std::uint64_t job) const {
  const std::string key = job == 0 ? kLastEvent : Key("job", job);
  const Result<std::string> record = store_->Get(key);
  if (record.status().code() == Code::kNotFound) return std::uint64_t{0};
  STILL_RETURN_IF_ERROR(record.status());
  if (job == 0) return std::strtoull(record->c_str(), nullptr, 10);
  Job known;
  if (!known.ParseFromString(*record)) return Damaged(key);
  return known.last_event();
}

Result<std::vector<HistoryEvent>> Journal::Events(std::uint64_t after, std::uint64_t job, std::uint32_t limit) const {
  std::vector<HistoryEvent> events;
  STILL_ASSIGN_OR_RETURN(std::uint64_t at, LastEvent(job));
  bool in_gap = false;
  for (int reads = 0; at > after && events.size() < limit && reads < kMostReads; ++reads) {
    Result<HistoryEvent> event = EventAt(at);
    const Code code = event.status().code();
    if (!event.ok() && code != Code::kDataLoss && code != Code::kNotFound) return event.status();
    const bool wanted = event.ok() && (job == 0 || event->job() == job);
    if (code == Code::kDataLoss && !in_gap) events.push_back(Gap(at, job));
    in_gap = code == Code::kDataLoss;
    // An event that cannot be read does not name the one before it, so the search goes on one by one.
    at = wanted && job != 0 ? event->previous() : at - 1;
    if (wanted) events.push_back(std::move(event).value());
  }
  std::ranges::reverse(events);
  return events;
}

Status Journal::Damaged(std::string_view key) const {
  return Error(Code::kDataLoss,
               "the journal {} is damaged: its record '{}' makes no sense; move the state directory away and start "
               "again: artifacts and checkpoints are not affected, the queue and its history are lost",
               path_, key);
}

}  // namespace still::coordinator
