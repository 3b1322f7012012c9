#include "shards/corpus/corpus_manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/digest.h"
#include "common/storage/files.h"
#include "shards/corpus/shard_reader.h"

namespace still::shards {
namespace {

using nlohmann::ordered_json;

std::string PathIn(const std::string& directory) { return JoinPath(directory, "manifest.json"); }

// Calls `visit` with the name and value of every count. No other list ties the two.
template <typename Counts, typename Visit>
void ForEachCount(Counts& counts, const Visit& visit) {
  visit("pages", counts.pages);
  visit("articles", counts.articles);
  visit("redirects", counts.redirects);
  visit("sha1_verified", counts.sha1_verified);
  visit("books", counts.books);
  visit("documents", counts.documents);
  visit("text_bytes", counts.text_bytes);
  visit("tokens", counts.tokens);
  visit("train_sequences", counts.train_sequences);
  visit("heldout_sequences", counts.heldout_sequences);
  visit("dropped_short", counts.dropped_short);
}

CorpusManifest ParseManifest(const std::string& text) {
  const auto json = ordered_json::parse(text);
  CorpusManifest manifest;
  for (const auto& item : json.at("shards")) {
    const auto split = item.at("split").get<std::string>();
    if (split != "train" && split != "heldout") throw std::runtime_error("unknown split \"" + split + "\"");
    manifest.shards.push_back({.name = item.at("name"),
                               .split = split == "train" ? Split::kTrain : Split::kHeldout,
                               .sequences = item.at("sequences"),
                               .sha256 = item.at("sha256")});
  }
  return manifest;
}

}  // namespace

std::string_view SplitName(Split split) { return split == Split::kTrain ? "train" : "heldout"; }

std::string ShardName(Split split, std::uint32_t shard) { return fmt::format("{}-{:05}", SplitName(split), shard); }

Status WriteCorpusManifest(const std::string& directory, const CorpusManifest& manifest) {
  ordered_json shards = ordered_json::array();
  for (const ShardEntry& entry : manifest.shards) {
    shards.push_back({{"name", entry.name},
                      {"split", SplitName(entry.split)},
                      {"sequences", entry.sequences},
                      {"sha256", entry.sha256}});
  }
  return WriteFileAtomically(PathIn(directory), ordered_json{{"shards", shards}}.dump(1) + "\n");
}

Result<CorpusManifest> ReadCorpusManifest(const std::string& directory) {
  const std::string path = PathIn(directory);
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  try {
    return ParseManifest(text);
  } catch (const std::exception& error) {
    return Error(Code::kDataLoss, "{}: not a corpus manifest ({}); rebuild the corpus: remove {} and run again", path,
                 error.what(), directory);
  }
}

Result<std::unique_ptr<ShardReader>> OpenListedShard(const std::string& directory, const ShardEntry& entry) {
  STILL_ASSIGN_OR_RETURN(auto shard, ShardReader::Open(JoinPath(directory, entry.name)));
  const std::string sha256 = Hex(shard->sha256());
  if (sha256 == entry.sha256 && shard->sequences() == entry.sequences && shard->info().split == entry.split) {
    return shard;
  }
  return Error(Code::kDataLoss,
               "shard {} ({}, {} sequences, sha256 {}) is not the one in manifest.json ({}, {}, {}); rebuild the "
               "corpus: remove {} and run again",
               shard->path(), SplitName(shard->info().split), shard->sequences(), sha256, SplitName(entry.split),
               entry.sequences, entry.sha256, directory);
}

Summary CorpusSummary(const CorpusCounts& counts) {
  Summary summary;
  ForEachCount(counts, [&](const char* name, std::uint64_t value) { summary[name] = static_cast<double>(value); });
  return summary;
}

Result<CorpusCounts> ReadCorpusCounts(const std::string& directory) {
  STILL_ASSIGN_OR_RETURN(const Summary summary, ReadSummary(directory));
  CorpusCounts counts;
  std::string missing;
  ForEachCount(counts, [&](const char* name, std::uint64_t& value) {
    if (const auto at = summary.find(name); at != summary.end()) {
      value = static_cast<std::uint64_t>(at->second);
    } else {
      missing += missing.empty() ? name : std::string(", ") + name;
    }
  });
  if (missing.empty()) return counts;
  return Error(Code::kDataLoss, "{}/summary.json lacks {}; rebuild the corpus: remove {} and run again", directory,
               missing, directory);
}

Status VerifyCorpus(const std::string& directory) {
  STILL_ASSIGN_OR_RETURN(const CorpusManifest manifest, ReadCorpusManifest(directory));
  for (const ShardEntry& entry : manifest.shards) {
    STILL_ASSIGN_OR_RETURN(const auto shard, OpenListedShard(directory, entry));
    STILL_RETURN_IF_ERROR(shard->Verify());
  }
  return Ok();
}

}  // namespace still::shards
