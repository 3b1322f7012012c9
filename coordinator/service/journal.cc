#include "coordinator/service/journal.h"

#include <algorithm>

namespace still::coordinator {
namespace {

using stillhouse::v1::HistoryEvent;
using stillhouse::v1::Host;
using stillhouse::v1::Job;
using stillhouse::v1::Pipeline;

// Digits enough for any number: keys sort as numbers do.
std::string Key(std::string_view kind, std::uint64_t number) { return fmt::format("{}/{:020}", kind, number); }
std::string HostKey(const std::string& name) { return fmt::format("host/{}", name); }

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::Open(path));
  return std::make_unique<Journal>(path, std::move(store));
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
  STILL_ASSIGN_OR_RETURN(all.events, Events(0, 0, 1));  // the next one's number follows from the last one's
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
      batch.Put(Key("event", event.sequence()), event.SerializeAsString());
  }
  return store_->Commit(batch);
}

Status Journal::Probe() {
  KvBatch batch;
  batch.Put("probe", "");
  return store_->Commit(batch);
}

Result<std::vector<HistoryEvent>> Journal::Events(std::uint64_t after, std::uint64_t job, std::uint32_t limit) const {
  std::vector<HistoryEvent> events;
  STILL_RETURN_IF_ERROR(store_->ForEach("event/", [&](std::string_view key, std::string_view value) -> Status {
    HistoryEvent event;
    if (!event.ParseFromArray(value.data(), static_cast<int>(value.size()))) return Damaged(key);
    if (event.sequence() > after && (job == 0 || event.job() == job)) events.push_back(std::move(event));
    return Ok();
  }));
  if (limit > 0 && events.size() > limit) events.erase(events.begin(), events.end() - limit);
  return events;
}

Status Journal::Damaged(std::string_view key) const {
  return Error(Code::kDataLoss,
               "the journal {} is damaged: its record '{}' makes no sense; move the state directory away and start "
               "again: artifacts and checkpoints are not affected, the queue and its history are lost",
               path_, key);
}

}  // namespace still::coordinator
