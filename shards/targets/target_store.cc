#include "shards/targets/target_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "common/check.h"
#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"

namespace still::shards {
namespace {

using nlohmann::ordered_json;

std::string ShardDirectory(const std::string& parent, std::uint32_t shard) {
  return JoinPath(parent, fmt::format("shard-{:05}", shard));
}

// Beside the artifact, not in it.
std::string BuildingPath(const std::string& final_path) { return final_path + ".building"; }

std::string FormatManifest(const TargetSpec& spec, const std::vector<TargetShardSummary>& summaries) {
  ordered_json shards = ordered_json::array();
  for (const TargetShardSummary& shard : summaries) {
    shards.push_back(
        {{"digest", shard.digest}, {"records", shard.records}, {"positions", shard.positions}, {"bytes", shard.bytes}});
  }
  const ordered_json manifest = {
      {"codec", CodecName(spec.codec)}, {"width", spec.width}, {"temperature", spec.temperature}, {"shards", shards}};
  return manifest.dump(1) + "\n";
}

void ParseManifest(const std::string& text, TargetSpec* spec, std::vector<TargetShardSummary>* summaries) {
  const auto manifest = ordered_json::parse(text);
  const Result<TargetCodec> codec = ParseCodec(manifest.at("codec").get<std::string>());
  if (!codec.ok()) throw std::runtime_error(codec.status().message());
  *spec = {.codec = *codec, .width = manifest.at("width"), .temperature = manifest.at("temperature")};
  for (const auto& shard : manifest.at("shards")) {
    summaries->push_back({.digest = shard.at("digest"),
                          .records = shard.at("records"),
                          .positions = shard.at("positions"),
                          .bytes = shard.at("bytes")});
  }
}

std::uint64_t Sum(const std::vector<TargetShardSummary>& shards, std::uint64_t TargetShardSummary::*field) {
  return std::accumulate(shards.begin(), shards.end(), std::uint64_t{0},
                         [field](std::uint64_t sum, const TargetShardSummary& shard) { return sum + shard.*field; });
}

}  // namespace

Result<TargetStore> TargetStore::Open(const ArtifactStore& artifacts, const IdentityBuilder& identity,
                                      const TargetSpec& spec, std::uint32_t shards) {
  TargetStore store;
  store.identity_ = identity.text();
  store.final_path_ = artifacts.PathOf("targets", identity.Digest());
  store.building_path_ = BuildingPath(store.final_path_);
  store.spec_ = spec;
  store.shards_ = shards;
  if (!store.Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(store.building_path_));
  if (store.Committed()) rmdir(store.building_path_.c_str());  // it was committed meanwhile: this one is empty
  return store;
}

std::string TargetStore::ShardPath(std::uint32_t shard) const {
  STILL_CHECK(shard < shards_, fmt::format("shard {} of {}", shard, shards_));
  return ShardDirectory(building_path_, shard);
}

TargetShardPlace TargetStore::PlaceOf(std::uint32_t shard) const {
  return {.path = ShardPath(shard),
          .staged_as = fmt::format("{}.shard-{:05}", final_path_, shard),
          .committed_path = ShardDirectory(final_path_, shard)};
}

Result<std::string> TargetStore::SealedDigest(std::uint32_t shard) const {
  const TargetShardPlace place = PlaceOf(shard);
  auto reader = TargetReader::Open(place.path);
  if (reader.status().code() == Code::kNotFound) reader = TargetReader::Open(place.committed_path);
  STILL_RETURN_IF_ERROR(reader.status());
  return (*reader)->summary().digest;
}

Status TargetStore::RemoveLeftovers() const {
  const std::filesystem::path final_path(final_path_);
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(final_path.parent_path(), final_path.filename().string() + "."));
  return UnlessMissing(RemoveStaleTemporaries(building_path_));  // of a manifest; it may be the artifact by now
}

// One that is overtaken by another process may fail anywhere, and has nothing left to do.
Status TargetStore::Commit(Summary summary) const {
  Status committed = Committed() ? Ok() : CommitBuilding(std::move(summary));
  if (!Committed()) return committed;
  static_cast<void>(RemoveTemporariesIn(final_path_));  // of others who committed, of whom some died: they moved, too
  return Ok();
}

Status TargetStore::CommitBuilding(Summary summary) const {
  STILL_RETURN_IF_ERROR(RemoveLeftovers());
  std::vector<TargetShardSummary> shards;
  for (std::uint32_t shard = 0; shard < shards_; ++shard) {
    STILL_ASSIGN_OR_RETURN(const auto reader, TargetReader::Open(ShardPath(shard)));
    if (reader->spec() != spec_ || reader->identity() != identity_) {
      return Error(Code::kDataLoss, "targets {}: not made for this artifact; remove {} and run again", ShardPath(shard),
                   building_path_);
    }
    shards.push_back(reader->summary());
  }
  summary["records"] = static_cast<double>(Sum(shards, &TargetShardSummary::records));
  summary["positions"] = static_cast<double>(Sum(shards, &TargetShardSummary::positions));
  summary["bytes"] = static_cast<double>(Sum(shards, &TargetShardSummary::bytes));
  if (summary["positions"] > 0) summary["bytes_per_position"] = summary["bytes"] / summary["positions"];
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building_path_, "identity.txt"), identity_));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building_path_, "manifest.json"), FormatManifest(spec_, shards)));
  STILL_RETURN_IF_ERROR(WriteSummary(building_path_, summary));
  STILL_RETURN_IF_ERROR(FaultPoint("targets.commit"));
  return Rename(building_path_, final_path_);
}

// Two processes may do this at once, too: whose rename finds nothing has nothing left to do.
Status QuarantineTargetShard(const ArtifactStore& artifacts, const std::string& digest, std::uint32_t shard) {
  const std::string final_path = artifacts.PathOf("targets", digest);
  const std::string building_path = BuildingPath(final_path);
  if (Exists(ShardDirectory(final_path, shard))) {
    STILL_RETURN_IF_ERROR(UnlessMissing(Rename(final_path, building_path)));
  }
  const std::string sealed = ShardDirectory(building_path, shard);
  const std::string aside = fmt::format("{}.shard-{:05}.bad", final_path, shard);
  Status renamed = Rename(sealed, aside);
  if (renamed.code() == Code::kAlreadyExists) {  // of an earlier time
    STILL_RETURN_IF_ERROR(RemoveAll(aside));
    renamed = Rename(sealed, aside);
  }
  return UnlessMissing(std::move(renamed));
}

Result<std::unique_ptr<TargetSet>> TargetSet::Open(const std::string& directory) {
  std::unique_ptr<TargetSet> set(new TargetSet(directory));
  const std::string path = JoinPath(directory, "manifest.json");
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  try {
    ParseManifest(text, &set->spec_, &set->summaries_);
  } catch (const std::exception& error) {
    return Error(Code::kDataLoss, "{}: not a targets manifest ({}); remove {} and run again", path, error.what(),
                 directory);
  }
  set->readers_.resize(set->summaries_.size());
  return set;
}

std::uint64_t TargetSet::records() const { return Sum(summaries_, &TargetShardSummary::records); }
std::uint64_t TargetSet::positions() const { return Sum(summaries_, &TargetShardSummary::positions); }
std::uint64_t TargetSet::bytes() const { return Sum(summaries_, &TargetShardSummary::bytes); }

Result<const TargetReader*> TargetSet::Shard(std::uint32_t shard) const {
  STILL_CHECK(shard < shards(), fmt::format("shard {} of {}", shard, shards()));
  const std::lock_guard lock(mutex_);
  std::unique_ptr<TargetReader>& reader = readers_[shard];
  if (reader == nullptr) {
    const std::string path = ShardDirectory(directory_, shard);
    STILL_ASSIGN_OR_RETURN(auto opened, TargetReader::Open(path));
    if (opened->spec() != spec_ || opened->summary() != summaries_[shard]) {
      return Error(Code::kDataLoss, "targets {}: not the shard that manifest.json lists; remove {} and run again", path,
                   directory_);
    }
    reader = std::move(opened);
  }
  return static_cast<const TargetReader*>(reader.get());
}

Status TargetSet::Read(std::uint32_t shard, std::uint32_t sequence, std::uint32_t variant, std::uint64_t masked_hash,
                       TargetRecord* record) const {
  STILL_ASSIGN_OR_RETURN(const TargetReader* reader, Shard(shard));
  return reader->Read(sequence, variant, masked_hash, record);
}

Status TargetSet::Verify() const {
  for (std::uint32_t shard = 0; shard < shards(); ++shard) {
    STILL_ASSIGN_OR_RETURN(const TargetReader* reader, Shard(shard));
    STILL_RETURN_IF_ERROR(reader->Verify());
  }
  return Ok();
}

}  // namespace still::shards
