// manifest.json of a corpus artifact: which shards it has and their digests.
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

// Shards in order of their number, train and held-out each from 0.
struct CorpusManifest {
  std::vector<ShardEntry> shards;
};

std::string_view SplitName(Split split);
// "train-00000", "heldout-00012".
std::string ShardName(Split split, std::uint32_t shard);

// Same manifest, same bytes.
Status WriteCorpusManifest(const std::string& directory, const CorpusManifest& manifest);
Result<CorpusManifest> ReadCorpusManifest(const std::string& directory);

// Opens a listed shard; DATA_LOSS when it is not the one that the manifest lists.
Result<std::unique_ptr<ShardReader>> OpenListedShard(const std::string& directory, const ShardEntry& entry);

// The counts under the names that ReadCorpusCounts looks for in summary.json.
Summary CorpusSummary(const CorpusCounts& counts);

// Reads every byte of every shard: block checksums, SHA-256, and that it is the one the manifest names. The first
// failure is returned.
Status VerifyCorpus(const std::string& directory);

}  // namespace still::shards
