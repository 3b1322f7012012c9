// Building an artifact shard by shard, by any number of processes on one file system. The corpus and the targets are
// built this way. Every process takes the same five steps, and may be killed between any two system calls:
//
// clang-format off
//   1. Find.    A shard that stands under its final name is whole. It is never made again.
//   2. Write.   A shard is written beside the artifact:  <digest>.<shard>.tmp-<host>-<pid> or .partial-<host>-<pid>
//   3. Seal.    It is synced and renamed to              <digest>.building/<shard> or <digest>.<plan>.building/<shard>
//   4. Dispute. A shard that two processes made with different results is set aside as  <digest>.<shard>.bad
//   5. Commit.  When all shards are sealed, the building directory is renamed to        <digest>/
// clang-format on
//
// Shards are staged outside of the building directory, so that a slow process leaves no part of one in what is renamed.
// The few files that describe the artifact are staged inside. Commit removes what is left of those.
// The first process to seal a shard wins. The bytes of a shard follow from the digest of the artifact, so every other
// process must have computed the same digest of the shard. A process that finds another digest reports DATA_LOSS.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/storage/artifact.h"

namespace still::shards {

// The places of one shard, by stage of its life.
struct ShardPlace {
  std::string name;            // within its directory
  std::string path;            // sealed, in a building directory
  std::string staged_as;       // being written: the prefix of the temporary name, beside the artifact
  std::string committed_path;  // in the artifact; may be empty for a shard outside of any artifact
};

// Opens a shard by `open(path)` where it is sealed, and else where it is committed. This order is that of the move, so
// a shard that another process commits meanwhile is found. NOT_FOUND when it stands in neither place.
template <typename Open>
auto OpenStanding(const ShardPlace& place, const Open& open) {
  auto opened = open(place.path);
  if (opened.status().code() == Code::kNotFound && !place.committed_path.empty()) opened = open(place.committed_path);
  return opened;
}

// Judges a result that could not be sealed. `failure` says why; `computed` is its digest; `standing` is the digest that
// stands in its place, or NOT_FOUND. Returns `computed` when another process sealed the same result first. DATA_LOSS
// when the one that stands differs; nothing tells which of the two is wrong. Returns `failure` when none stands.
Result<std::string> CompareWithStanding(std::string_view shard, const Status& failure, const std::string& computed,
                                        const Result<std::string>& standing);

// The names of one artifact under construction and the moves between them. It holds no state but the names, so any
// number of objects, threads and processes may use one artifact at once. A failed call leaves every shard that was
// sealed either in place or set aside. The next call may simply be made again.
class ShardedBuilder {
 public:
  ShardedBuilder(const ArtifactStore& artifacts, std::string_view kind, std::string_view digest);

  const std::string& final_path() const { return final_path_; }
  bool Committed() const { return Exists(final_path_); }

  // The directory that shards are sealed in. Where the content of shards follows from a plan that may be made anew,
  // each plan has a directory of its own: a process that works from an older plan seals where no commit looks.
  std::string BuildingPath(std::string_view plan = "") const;
  // The path "<digest>.<name>" beside the artifact.
  std::string PathBeside(std::string_view name) const;
  ShardPlace PlaceOf(const std::string& building, const std::string& name) const;

  // Removes what dead processes of this host left half written. Any process may call this at any time.
  Status RemoveLeftovers() const;
  // Removes the building directories of all plans.
  Status RemoveBuildings() const;

  // Renames a sealed shard to "<digest>.<name>.bad", in the place of one that was set aside earlier. Succeeds when
  // there is none: of two processes that do this at once, one finds it gone.
  Status SetAside(const ShardPlace& place) const;
  // Renames the artifact back to the building directory `building`, which must be missing or empty. Succeeds when there
  // is no artifact.
  Status Reopen(const std::string& building) const;

  // Removes leftovers and calls `commit_building`, which checks all shards, describes the artifact and calls Publish.
  // May be called again after a crash and by two processes at once: succeeds when the artifact stands afterwards.
  Status Commit(const std::function<Status()>& commit_building) const;
  // Writes identity.txt and summary.json into `building`.
  static Status Describe(const std::string& building, std::string_view identity, const Summary& summary);
  // Renames `building` to the artifact.
  Status Publish(const std::string& building) const { return Rename(building, final_path_); }

 private:
  Result<std::vector<std::string>> Buildings() const;

  std::string parent_;
  std::string prefix_;  // "<digest>."
  std::string final_path_;
};

}  // namespace still::shards
