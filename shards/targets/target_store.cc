#include "shards/targets/target_store.h"

#include <fmt/format.h>
#include <unistd.h>

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

std::string NameOf(std::uint32_t shard) { return fmt::format("shard-{:05}", shard); }

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

TargetStore::TargetStore(ShardedBuilder builder, const IdentityBuilder& identity, const TargetSpec& spec,
                         std::uint32_t shards)
    : builder_(std::move(builder)),
      identity_(identity.text()),
      building_path_(builder_.BuildingPath()),
      spec_(spec),
      shards_(shards) {}

Result<TargetStore> TargetStore::Open(const ArtifactStore& artifacts, const IdentityBuilder& identity,
                                      const TargetSpec& spec, std::uint32_t shards) {
  TargetStore store(ShardedBuilder(artifacts, "targets", identity.Digest()), identity, spec, shards);
  if (!store.Committed()) STILL_RETURN_IF_ERROR(MakeDirectories(store.building_path_));
  // When another process committed in between, the directory that was just made is empty.
  if (store.Committed()) rmdir(store.building_path_.c_str());
  return store;
}

ShardPlace TargetStore::PlaceOf(std::uint32_t shard) const {
  STILL_CHECK(shard < shards_, fmt::format("shard {} of {}", shard, shards_));
  return builder_.PlaceOf(building_path_, NameOf(shard));
}

Result<std::string> TargetStore::SealedDigest(std::uint32_t shard) const {
  STILL_ASSIGN_OR_RETURN(const auto reader, OpenStanding(PlaceOf(shard), TargetReader::Open));
  return reader->summary().digest;
}

Status TargetStore::Commit(Summary summary) const {
  return builder_.Commit([&] { return CommitBuilding(std::move(summary)); });
}

Status TargetStore::CommitBuilding(Summary summary) const {
  std::vector<TargetShardSummary> shards;
  for (std::uint32_t shard = 0; shard < shards_; ++shard) {
    const std::string path = PlaceOf(shard).path;
    STILL_ASSIGN_OR_RETURN(const auto reader, TargetReader::Open(path));
    if (reader->spec() != spec_ || reader->identity() != identity_) {
      return Error(Code::kDataLoss, "targets {}: not made for this artifact; remove {} and run again", path,
                   building_path_);
    }
    shards.push_back(reader->summary());
  }
  summary["records"] = static_cast<double>(Sum(shards, &TargetShardSummary::records));
  summary["positions"] = static_cast<double>(Sum(shards, &TargetShardSummary::positions));
  summary["bytes"] = static_cast<double>(Sum(shards, &TargetShardSummary::bytes));
  if (summary["positions"] > 0) summary["bytes_per_position"] = summary["bytes"] / summary["positions"];
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building_path_, "manifest.json"), FormatManifest(spec_, shards)));
  STILL_RETURN_IF_ERROR(ShardedBuilder::Describe(building_path_, identity_, summary));
  STILL_RETURN_IF_ERROR(FaultPoint("targets.commit"));
  return builder_.Publish(building_path_);
}

Status QuarantineTargetShard(const ArtifactStore& artifacts, const std::string& digest, std::uint32_t shard) {
  const ShardedBuilder builder(artifacts, "targets", digest);
  const std::string building = builder.BuildingPath();
  const ShardPlace place = builder.PlaceOf(building, NameOf(shard));
  if (Exists(place.committed_path)) STILL_RETURN_IF_ERROR(builder.Reopen(building));
  return builder.SetAside(place);
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

Result<const TargetReader*> TargetSet::Shard(std::uint32_t shard) const {
  STILL_CHECK(shard < shards(), fmt::format("shard {} of {}", shard, shards()));
  const std::lock_guard lock(mutex_);
  std::unique_ptr<TargetReader>& reader = readers_[shard];
  if (reader == nullptr) {
    const std::string path = JoinPath(directory_, NameOf(shard));
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
