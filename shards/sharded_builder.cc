#include "shards/sharded_builder.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "common/storage/files.h"

namespace still::shards {

Result<std::string> CompareWithStanding(std::string_view shard, const Status& failure, const std::string& computed,
                                        const Result<std::string>& standing) {
  if (standing.ok() && *standing == computed) return computed;
  if (standing.ok()) {
    return Error(Code::kDataLoss,
                 "{}: another process made it with digest {}, it was computed here as {}; the same work gave two "
                 "results: suspect memory or disk of one of the hosts, then run again",
                 shard, *standing, computed);
  }
  return standing.status().code() == Code::kNotFound ? failure : standing.status();
}

ShardedBuilder::ShardedBuilder(const ArtifactStore& artifacts, std::string_view kind, std::string_view digest)
    : prefix_(fmt::format("{}.", digest)), final_path_(artifacts.PathOf(kind, digest)) {
  parent_ = std::filesystem::path(final_path_).parent_path();
}

std::string ShardedBuilder::BuildingPath(std::string_view plan) const {
  return plan.empty() ? PathBeside("building") : PathBeside(fmt::format("{}.building", plan));
}

std::string ShardedBuilder::PathBeside(std::string_view name) const { return fmt::format("{}.{}", final_path_, name); }

ShardPlace ShardedBuilder::PlaceOf(const std::string& building, const std::string& name) const {
  return {.name = name,
          .path = JoinPath(building, name),
          .staged_as = PathBeside(name),
          .committed_path = JoinPath(final_path_, name)};
}

Result<std::vector<std::string>> ShardedBuilder::Buildings() const {
  STILL_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectory(parent_));
  std::erase_if(names,
                [this](const std::string& name) { return !name.starts_with(prefix_) || !name.ends_with(".building"); });
  for (std::string& name : names) name = JoinPath(parent_, name);
  return names;
}

Status ShardedBuilder::RemoveLeftovers() const {
  STILL_RETURN_IF_ERROR(RemoveStaleTemporaries(parent_, prefix_));
  STILL_ASSIGN_OR_RETURN(const auto buildings, Buildings());
  for (const std::string& path : buildings) {
    // A process that died while it wrote a manifest left it here. Another process may have committed the directory.
    STILL_RETURN_IF_ERROR(UnlessMissing(RemoveStaleTemporaries(path)));
  }
  return Ok();
}

Status ShardedBuilder::RemoveBuildings() const {
  STILL_ASSIGN_OR_RETURN(const auto buildings, Buildings());
  for (const std::string& path : buildings) STILL_RETURN_IF_ERROR(UnlessMissing(RemoveAll(path)));
  return Ok();
}

Status ShardedBuilder::SetAside(const ShardPlace& place) const {
  const std::string bad = place.staged_as + ".bad";
  Status renamed = Rename(place.path, bad);
  if (renamed.code() == Code::kAlreadyExists) {  // a directory that was set aside earlier
    STILL_RETURN_IF_ERROR(RemoveAll(bad));
    renamed = Rename(place.path, bad);
  }
  return UnlessMissing(std::move(renamed));
}

Status ShardedBuilder::Reopen(const std::string& building) const {
  return UnlessMissing(Rename(final_path_, building));
}

Status ShardedBuilder::Commit(const std::function<Status()>& commit_building) const {
  Status committed = Committed() ? Ok() : RemoveLeftovers();
  if (committed.ok() && !Committed()) committed = commit_building();
  // A process that another one overtook may fail anywhere, and has nothing left to do.
  if (!Committed()) return committed;
  // Other processes may have died while they committed. Their temporaries moved with the directory.
  static_cast<void>(RemoveTemporariesIn(final_path_));
  return Ok();
}

Status ShardedBuilder::Describe(const std::string& building, std::string_view identity, const Summary& summary) {
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(building, "identity.txt"), identity));
  return WriteSummary(building, summary);
}

}  // namespace still::shards
