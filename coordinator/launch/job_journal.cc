#include "coordinator/launch/job_journal.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace still::coordinator {
namespace {

using nlohmann::json;

constexpr char kGenerationKey[] = "generation";
constexpr char kManifestPrefix[] = "manifest/";
constexpr char kEndPrefix[] = "end/";

// Digits enough for any number: keys sort as numbers do.
std::string ManifestKey(std::uint64_t step) { return fmt::format("{}{:020}", kManifestPrefix, step); }
std::string EndKey(std::uint64_t generation) { return fmt::format("{}{:020}", kEndPrefix, generation); }

std::string EndJson(const GenerationEnd& end) {
  nlohmann::ordered_json object = {{"generation", end.generation},
                                   {"code", static_cast<int>(end.code)},
                                   {"what", end.what},
                                   {"why", end.why},
                                   {"step", end.step},
                                   {"phase", end.phase},
                                   {"seconds", end.seconds},
                                   {"in_place", end.in_place}};
  if (end.rank) object["rank"] = *end.rank;
  if (!end.lost_host.empty()) object["lost_host"] = end.lost_host;
  // Logs and messages may hold bytes that are no UTF-8.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<GenerationEnd> ParseEnd(std::string_view text) {
  try {
    const json object = json::parse(text);
    GenerationEnd end{.generation = object.at("generation").get<std::uint64_t>(),
                      .code = static_cast<Code>(std::clamp(object.at("code").get<int>(), static_cast<int>(Code::kOk),
                                                           static_cast<int>(Code::kInternal))),
                      .what = object.at("what").get<std::string>(),
                      .why = object.at("why").get<std::string>(),
                      .step = object.at("step").get<std::uint64_t>(),
                      .phase = object.at("phase").get<std::string>(),
                      .seconds = object.at("seconds").get<double>(),
                      .in_place = object.at("in_place").get<bool>()};
    if (object.contains("rank")) end.rank = object.at("rank").get<std::uint32_t>();
    if (object.contains("lost_host")) end.lost_host = object.at("lost_host").get<std::string>();
    return end;
  } catch (const json::exception& error) {
    return Error(Code::kDataLoss, "{}", error.what());
  }
}

}  // namespace

Result<std::unique_ptr<JobJournal>> JobJournal::Open(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(std::unique_ptr<KvStore> store, KvStore::Open(path));
  auto journal = std::make_unique<JobJournal>(path, std::move(store));
  STILL_RETURN_IF_ERROR(journal->Generation().status());  // damage shows now and not in the middle of a run
  STILL_RETURN_IF_ERROR(journal->Manifests().status());
  STILL_RETURN_IF_ERROR(journal->Ends().status());
  return journal;
}

Result<std::uint64_t> JobJournal::Generation() const {
  const Result<std::string> text = store_->Get(kGenerationKey);
  if (text.status().code() == Code::kNotFound) return std::uint64_t{0};
  STILL_RETURN_IF_ERROR(text.status());
  std::uint64_t generation = 0;
  const char* const end = text->data() + text->size();
  if (const auto [stopped, error] = std::from_chars(text->data(), end, generation);
      error != std::errc() || stopped != end)
    return Damaged(Error(Code::kDataLoss, "its generation is '{}', not a number", *text));
  return generation;
}

Result<std::uint64_t> JobJournal::NextGeneration(const std::optional<GenerationEnd>& end) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t last, Generation());
  KvBatch batch;
  batch.Put(kGenerationKey, fmt::format("{}", last + 1));
  if (end) batch.Put(EndKey(end->generation), EndJson(*end));
  STILL_RETURN_IF_ERROR(store_->Commit(batch));
  return last + 1;
}

Result<std::vector<CheckpointManifest>> JobJournal::Publish(const CheckpointManifest& manifest,
                                                            const CheckpointRetention& retention) {
  STILL_ASSIGN_OR_RETURN(std::vector<CheckpointManifest> known, Manifests());
  std::ranges::reverse(known);
  const auto step_of = [](const CheckpointManifest& m) { return m.info.step; };
  const auto place = std::ranges::lower_bound(known, manifest.info.step, {}, step_of);
  if (place != known.end() && step_of(*place) == manifest.info.step) return std::vector<CheckpointManifest>();
  known.insert(place, manifest);

  std::vector<std::uint64_t> steps;
  for (const CheckpointManifest& m : known) steps.push_back(m.info.step);
  KvBatch batch;
  batch.Put(ManifestKey(manifest.info.step), ManifestJson(manifest));
  std::vector<CheckpointManifest> retired;
  for (const std::uint64_t step : StepsToRetire(steps, retention.keep_last, retention.keep_every)) {
    if (step == manifest.info.step) continue;  // older than those kept: published late, and retired with the next
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
  const Result<CheckpointManifest> manifest = ParseManifest(*record);
  if (manifest.ok() && manifest->info.generation != generation) return Ok();
  KvBatch batch;
  batch.Delete(ManifestKey(step));
  return store_->Commit(batch);
}

Result<std::vector<CheckpointManifest>> JobJournal::Manifests() const {
  std::vector<CheckpointManifest> manifests;
  STILL_RETURN_IF_ERROR(store_->ForEach(kManifestPrefix, [&](std::string_view key, std::string_view value) -> Status {
    Result<CheckpointManifest> manifest = ParseManifest(value);
    if (!manifest.ok()) return Damaged(manifest.status().WithContext(fmt::format("its record '{}'", key)));
    manifests.push_back(std::move(manifest).value());
    return Ok();
  }));
  std::ranges::reverse(manifests);
  return manifests;
}

Status JobJournal::RecordEnd(const GenerationEnd& end) {
  if (store_->Get(EndKey(end.generation)).ok()) return Ok();
  KvBatch batch;
  batch.Put(EndKey(end.generation), EndJson(end));
  return store_->Commit(batch);
}

Result<std::vector<GenerationEnd>> JobJournal::Ends() const {
  std::vector<GenerationEnd> ends;
  STILL_RETURN_IF_ERROR(store_->ForEach(kEndPrefix, [&](std::string_view key, std::string_view value) -> Status {
    Result<GenerationEnd> end = ParseEnd(value);
    if (!end.ok()) return Damaged(end.status().WithContext(fmt::format("its record '{}'", key)));
    ends.push_back(std::move(end).value());
    return Ok();
  }));
  return ends;
}

// A guessed generation could be one that was used before, so nothing is guessed.
Status JobJournal::Damaged(const Status& why) const {
  return Error(Code::kDataLoss,
               "the journal {} is damaged: {}; remove the directory and run again: the job then starts from its "
               "beginning",
               path_, why.message());
}

}  // namespace still::coordinator
