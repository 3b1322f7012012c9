// manifest.json of a corpus artifact: the list of its shards and their digests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/storage/artifact.h"
#include "shards/corpus/corpus_view.h"

namespace still::shards {

class ShardReader;

struct ShardEntry {
  std::string name;  // file name within the corpus directory, "train-00000"
  Split split = Split::kTrain;
  std::uint64_t sequences = 0;
  std::string sha256;  // hex of the digest that ShardWriter::Commit returned
};

// Training shards, then held-out ones. Each kind is in order of its numbers, from 0.
struct CorpusManifest {
  std::vector<ShardEntry> shards;
};

// Returns "train" or "heldout".
std::string_view SplitName(Split split);
// Returns the file name of a shard, as "train-00000" or "heldout-00012".
std::string ShardName(Split split, std::uint32_t shard);

// Writes manifest.json atomically. Equal manifests give equal bytes.
Status WriteCorpusManifest(const std::string& directory, const CorpusManifest& manifest);
// NOT_FOUND when there is none, DATA_LOSS when it is damaged.
Result<CorpusManifest> ReadCorpusManifest(const std::string& directory);

// Opens a listed shard. DATA_LOSS when it is damaged or not the one that the manifest lists.
Result<std::unique_ptr<ShardReader>> OpenListedShard(const std::string& directory, const ShardEntry& entry);

// Returns the counts under the names that ReadCorpusCounts looks for in summary.json.
Summary CorpusSummary(const CorpusCounts& counts);

// Reads every byte of every shard. Checks block checksums, SHA-256, and that the shard is the one that the manifest
// lists. Returns the first failure.
Status VerifyCorpus(const std::string& directory);

}  // namespace still::shards
