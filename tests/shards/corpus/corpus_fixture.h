// Makes small shards and corpora by formula.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/random.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_manifest.h"
#include "shards/corpus/shard_writer.h"
#include "tests/testing/damage.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::shards {

inline constexpr std::uint32_t kTestVocabulary = 1000;

inline SpecialTokens TestSpecials() {
  return {.pad = 0, .unknown = 100, .classify = 101, .separator = 102, .mask = 103};
}

inline ShardInfo TestInfo(Split split, std::uint32_t shard) {
  return {.corpus_fingerprint = "0123456789abcdef",
          .tokenizer_fingerprint = "fedcba9876543210",
          .shard = shard,
          .split = split,
          .vocabulary_size = kTestVocabulary,
          .special = TestSpecials()};
}

inline DocumentInfo TestDocument(std::uint64_t number) {
  return {.source = number % 2 == 0 ? "a-book.txt" : "dump-1.xml.bz2",
          .byte_offset = number * 1000,
          .page_id = number * 11,
          .sha1 = Sha1Of(std::to_string(number))};
}

// Returns the place of a shard outside of any artifact.
inline ShardPlace PlaceAt(const std::string& path) {
  return {.name = "", .path = path, .staged_as = path, .committed_path = ""};
}

// Returns [CLS] ... [SEP] with ordinary tokens between, of which small ids are frequent.
inline std::vector<TokenId> TestSequence(std::uint64_t seed, std::size_t length) {
  KeyedRandom random(MixKey({seed, length}));
  std::vector<TokenId> tokens(length);
  for (TokenId& token : tokens) {
    const double u = random.NextUnit();
    token = static_cast<TokenId>(104 + static_cast<std::uint32_t>(u * u * u * (kTestVocabulary - 104)));
  }
  tokens.front() = TestSpecials().classify;
  tokens.back() = TestSpecials().separator;
  return tokens;
}

// Gives each test a fresh directory.
class CorpusFixture : public ::testing::Test {
 protected:
  // Adds a shard of `sequences` sequences, numbered from `first`, to `manifest`. Replaces a shard of that name on disk.
  void AddShard(Split split, std::uint32_t shard, std::uint64_t first, std::uint64_t sequences,
                CorpusManifest* manifest) {
    const std::string name = ShardName(split, shard);
    std::filesystem::remove(JoinPath(directory_, name));
    ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(JoinPath(directory_, name)), TestInfo(split, shard)));
    ASSERT_OK(writer->BeginDocument(TestDocument(shard)));
    for (std::uint64_t i = first; i < first + sequences; ++i) {
      ASSERT_OK(writer->AddSequence(TestSequence(i, 12 + i % 50)));
    }
    ASSERT_OK_AND_ASSIGN(const auto digest, writer->Commit());
    manifest->shards.push_back({.name = name, .split = split, .sequences = sequences, .sha256 = Hex(digest)});
  }

  still::testing::TempDirectory scratch_;
  std::string directory_ = scratch_.path();
};

}  // namespace still::shards
