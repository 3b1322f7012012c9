#include "coordinator/daemon/journal.h"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace still::coordinator {
namespace {

using stillhouse::v1::HistoryEvent;
using stillhouse::v1::Host;
using stillhouse::v1::Job;
using stillhouse::v1::JobSpec;
using stillhouse::v1::Pipeline;

constexpr char kLastEvent[] = "last_event";
constexpr int kMostLooks = 20'000;  // for one answer; only damage makes more of them than lines are wanted
constexpr int kEventsAPage = 32'768;

// Digits enough for any number: keys sort as numbers do.
std::string Key(std::string_view kind, std::uint64_t number) { return fmt::format("{}/{:020}", kind, number); }
std::string HostKey(const std::string& name) { return fmt::format("host/{}", name); }

HistoryEvent Hole(std::uint64_t sequence, std::uint64_t job) {
  HistoryEvent hole;
  hole.set_sequence(sequence);
  hole.set_job(job);
  hole.set_actor("coordinator");
  hole.set_message("here the journal is damaged: this line, and some before it, cannot be read");
  return hole;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::Open(path, "history/"));
  auto journal = std::make_unique<Journal>(path, std::move(store));
  for (bool done = false; !done;) STILL_RETURN_IF_ERROR(journal->UpgradeSome(&done));
  return journal;
}

Result<std::string> Journal::Identity(const std::string& fresh) {
  Result<std::string> known = store_->Get("identity");
  if (fresh.empty() || known.status().code() != Code::kNotFound) return known.ok() ? *known : fresh;
  KvBatch batch;
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
  all.events.emplace_back().set_sequence(last);  // the next one's number follows
  State state;
  state.Apply(all);
  return state;
}

Status Journal::Commit(const std::vector<Changes>& changes) {
  KvBatch batch;
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

// 0: none.
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
  bool in_hole = false;
  for (int looks = 0; at > after && events.size() < limit && looks < kMostLooks; ++looks) {
    Result<HistoryEvent> event = EventAt(at);
    const Code code = event.status().code();
    if (!event.ok() && code != Code::kDataLoss && code != Code::kNotFound) return event.status();
    const bool wanted = event.ok() && (job == 0 || event->job() == job);
    if (code == Code::kDataLoss && !in_hole) events.push_back(Hole(at, job));
    in_hole = code == Code::kDataLoss;
    // One that cannot be read does not name the one before it, which then is looked for.
    at = wanted && job != 0 ? event->previous() : at - 1;
    if (wanted) events.push_back(std::move(event).value());
  }
  std::ranges::reverse(events);
  return events;
}

// A page of a journal of the version before: the history was among the records (event/<sequence>), without chains, and
// jobs held all of their specification.
Status Journal::UpgradeSome(bool* done) {
  KvBatch batch;
  std::map<std::uint64_t, Job> jobs;
  std::uint64_t last = 0;
  int left = kEventsAPage;
  std::vector<HistoryEvent> events;
  const Status read = store_->ForEach("event/", [&](std::string_view key, std::string_view value) -> Status {
    if (left-- == 0) return Error(Code::kCancelled, "a page is full");
    if (!events.emplace_back().ParseFromArray(value.data(), static_cast<int>(value.size()))) return Damaged(key);
    batch.Delete(key);
    return Ok();
  });
  if (!read.ok() && read.code() != Code::kCancelled) return read;
  *done = events.empty();
  if (*done) return Ok();
  for (HistoryEvent& event : events) {
    last = event.sequence();
    if (event.job() != 0) {
      const auto [job, added] = jobs.try_emplace(event.job());
      const std::string key = Key("job", event.job());
      if (added) {
        STILL_ASSIGN_OR_RETURN(const std::string record, store_->Get(key));
        if (!job->second.ParseFromString(record)) return Damaged(key);
      }
      event.set_previous(job->second.last_event());
      job->second.set_last_event(event.sequence());
    }
    batch.Put(Key("history", event.sequence()), event.SerializeAsString());
  }
  for (auto& [id, job] : jobs) {
    if (job.spec().has_config() || !job.spec().identity().empty())
      batch.Put(Key("spec", id), job.spec().SerializeAsString());
    ClearAgentFields(&job);
    batch.Put(Key("job", id), job.SerializeAsString());
  }
  batch.Put(kLastEvent, fmt::format("{}", last));
  return store_->Commit(batch);
}

Status Journal::Damaged(std::string_view key) const {
  return Error(Code::kDataLoss,
               "the journal {} is damaged: its record '{}' makes no sense; move the state directory away and start "
               "again: artifacts and checkpoints are not affected, the queue and its history are lost",
               path_, key);
}

}  // namespace still::coordinator
