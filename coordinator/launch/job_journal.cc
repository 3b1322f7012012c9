#include "coordinator/launch/job_journal.h"

#include <algorithm>

#include "common/parse_number.h"

namespace still::coordinator {
namespace {

constexpr char kGenerationKey[] = "generation";
constexpr char kManifestPrefix[] = "manifest/";
constexpr char kEndPrefix[] = "end/";

// Numbers in keys have enough digits for any number, so that keys sort as numbers do.
std::string ManifestKey(std::uint64_t step) { return fmt::format("{}{:020}", kManifestPrefix, step); }
std::string EndKey(std::uint64_t generation) { return fmt::format("{}{:020}", kEndPrefix, generation); }

}  // namespace

Result<std::unique_ptr<JobJournal>> JobJournal::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::Open(path));
  auto journal = std::make_unique<JobJournal>(path, std::move(store));
  STILL_RETURN_IF_ERROR(journal->Generation().status());  // so that damage shows now and not in the middle of a run
  STILL_RETURN_IF_ERROR(journal->Manifests().status());
  STILL_RETURN_IF_ERROR(journal->Ends().status());
  return journal;
}

Result<std::uint64_t> JobJournal::Generation() const {
  const Result<std::string> text = store_->Get(kGenerationKey);
  if (text.status().code() == Code::kNotFound) return std::uint64_t{0};
  STILL_RETURN_IF_ERROR(text.status());
  std::uint64_t generation = 0;
  if (!ParseNumber(*text, &generation))
    return Damaged(Error(Code::kDataLoss, "its generation is '{}', not a number", *text));
  return generation;
}

Result<std::uint64_t> JobJournal::NextGeneration(const std::optional<v1::GenerationEnd>& end) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t last, Generation());
  KvBatch batch;
  batch.Put(kGenerationKey, fmt::format("{}", last + 1));
  if (end) batch.Put(EndKey(end->generation()), end->SerializeAsString());
  STILL_RETURN_IF_ERROR(store_->Commit(batch));
  return last + 1;
}

Result<std::vector<v1::CheckpointManifest>> JobJournal::Publish(const v1::CheckpointManifest& manifest,
                                                                const CheckpointRetention& retention) {
  STILL_ASSIGN_OR_RETURN(std::vector<v1::CheckpointManifest> known, Manifests());
  std::ranges::reverse(known);
  const auto step_of = [](const v1::CheckpointManifest& m) { return m.info().step(); };
  const auto position = std::ranges::lower_bound(known, manifest.info().step(), {}, step_of);
  if (position != known.end() && step_of(*position) == manifest.info().step())
    return std::vector<v1::CheckpointManifest>();
  known.insert(position, manifest);

  std::vector<std::uint64_t> steps;
  for (const v1::CheckpointManifest& m : known) steps.push_back(m.info().step());
  KvBatch batch;
  batch.Put(ManifestKey(manifest.info().step()), ManifestJson(manifest));
  std::vector<v1::CheckpointManifest> retired;
  for (const std::uint64_t step : StepsToRetire(steps, retention.keep_last, retention.keep_every)) {
    if (step == manifest.info().step()) continue;  // it is older than those kept, and retires with the next one
    batch.Delete(ManifestKey(step));
    retired.push_back(*std::ranges::find(known, step, step_of));
  }
  STILL_RETURN_IF_ERROR(store_->Commit(batch));
  return retired;
}

Status JobJournal::Drop(std::uint64_t step, std::uint64_t generation) {
  const Result<std::string> record = store_->Get(ManifestKey(step));
  if (record.status().code() == Code::kNotFound) return Ok();
  STILL_RETURN_IF_ERROR(record.status());
  const Result<v1::CheckpointManifest> manifest = ParseManifest(*record);
  if (manifest.ok() && manifest->info().generation() != generation) return Ok();
  KvBatch batch;
  batch.Delete(ManifestKey(step));
  return store_->Commit(batch);
}

Result<std::vector<v1::CheckpointManifest>> JobJournal::Manifests() const {
  std::vector<v1::CheckpointManifest> manifests;
  STILL_RETURN_IF_ERROR(store_->ForEach(kManifestPrefix, [&](std::string_view key, std::string_view value) -> Status {
    Result<v1::CheckpointManifest> manifest = ParseManifest(value);
    if (!manifest.ok()) return Damaged(manifest.status().WithContext(fmt::format("its record '{}'", key)));
    manifests.push_back(std::move(manifest).value());
    return Ok();
  }));
  std::ranges::reverse(manifests);
  return manifests;
}

Status JobJournal::RecordEnd(const v1::GenerationEnd& end) {
  if (store_->Get(EndKey(end.generation())).ok()) return Ok();
  KvBatch batch;
  batch.Put(EndKey(end.generation()), end.SerializeAsString());
  return store_->Commit(batch);
}

Result<std::vector<v1::GenerationEnd>> JobJournal::Ends() const {
  std::vector<v1::GenerationEnd> ends;
  STILL_RETURN_IF_ERROR(store_->ForEach(kEndPrefix, [&](std::string_view key, std::string_view value) -> Status {
    if (ends.emplace_back().ParseFromArray(value.data(), static_cast<int>(value.size()))) return Ok();
    return Damaged(Error(Code::kDataLoss, "its record '{}' is not a GenerationEnd", key));
  }));
  return ends;
}

// Nothing is guessed, because a guessed generation could be one that was used before.
Status JobJournal::Damaged(const Status& why) const {
  return Error(Code::kDataLoss,
               "the journal {} is damaged: {}; remove the directory and run again: the job then starts from its "
               "beginning",
               path_, why.message());
}

}  // namespace still::coordinator
