#include "shards/targets/target_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/host_name.h"
#include "shards/targets/target_store.h"
#include "tests/shards/corpus/corpus_fixture.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using testing::FlipBit;
using ::testing::HasSubstr;

constexpr TargetSpec kHidden = {.codec = TargetCodec::kHiddenF16, .width = 11, .temperature = 2.0};
constexpr TargetSpec kTop = {.codec = TargetCodec::kTopK, .width = 5, .temperature = 2.0};

TargetRecord MakeRecord(const TargetSpec& spec, std::uint64_t seed, std::uint32_t positions) {
  KeyedRandom random(seed);
  TargetRecord record{.masked_hash = seed, .positions = positions};
  const auto draw = [&] { return static_cast<float>(random.NextUnit() * 20 - 10); };
  for (std::uint32_t i = 0; i < positions * spec.width; ++i) {
    if (spec.codec == TargetCodec::kHiddenF16) {
      record.hidden.push_back(draw());
    } else {
      record.ids.push_back(static_cast<TokenId>(random.NextBelow(30522)));
      record.logits.push_back(draw());
    }
  }
  for (std::uint32_t i = 0; spec.codec == TargetCodec::kTopK && i < positions; ++i) {
    record.log_partition.push_back(draw());
  }
  return record;
}

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_LE(std::abs(actual[i] - expected[i]), std::abs(expected[i]) * 0x1p-11F + 0x1p-25F) << i;
  }
}

TEST(TargetCodecTest, RoundTripIsExactToHalfPrecisionAtTheStatedSize) {
  for (const TargetSpec& spec : {kHidden, kTop}) {
    const TargetRecord record = MakeRecord(spec, 3, 7);
    const std::string bytes = EncodeTarget(spec, record);
    EXPECT_EQ(bytes.size(), 16 + 7 * (spec.codec == TargetCodec::kHiddenF16 ? 2 * spec.width : 4 * spec.width + 4));
    TargetRecord decoded = MakeRecord(kHidden, 99, 40);  // holds another record
    ASSERT_TRUE(DecodeTarget(spec, bytes, &decoded).ok());
    EXPECT_EQ(decoded.masked_hash, 3U);
    EXPECT_EQ(decoded.positions, 7U);
    EXPECT_EQ(decoded.ids, record.ids);
    EXPECT_EQ(decoded.log_partition, record.log_partition);
    ExpectNear(decoded.hidden, record.hidden);
    ExpectNear(decoded.logits, record.logits);
    EXPECT_EQ(EncodeTarget(spec, decoded), bytes);  // a second encoding loses nothing more
  }
}

// Tests rounding to nearest even, subnormals and the largest half, on the eight-wide path and on the rest of a row.
TEST(TargetCodecTest, HalvesAreRoundedToNearestEven) {
  const TargetSpec spec = {.codec = TargetCodec::kHiddenF16, .width = 12};
  const std::vector<float> cases = {1.0F + 0x1p-11F, 1.0F + 3 * 0x1p-11F, 65504.0F, 0x1p-24F, 0x1p-26F, -0.0F};
  const std::vector<float> rounded = {1.0F, 1.0F + 0x1p-9F, 65504.0F, 0x1p-24F, 0.0F, -0.0F};
  TargetRecord record{.positions = 1};
  std::vector<float> expected;
  for (int i = 0; i < 2; ++i) {
    record.hidden.insert(record.hidden.end(), cases.begin(), cases.end());
    expected.insert(expected.end(), rounded.begin(), rounded.end());
  }
  std::rotate(record.hidden.begin(), record.hidden.begin() + 4, record.hidden.end());
  std::rotate(expected.begin(), expected.begin() + 4, expected.end());
  TargetRecord decoded;
  ASSERT_TRUE(DecodeTarget(spec, EncodeTarget(spec, record), &decoded).ok());
  EXPECT_EQ(decoded.hidden, expected);
}

TEST(TargetCodecTest, EveryWrongLengthCodecAndWidthIsRefused) {
  for (const TargetSpec& spec : {kHidden, kTop}) {
    const std::string bytes = EncodeTarget(spec, MakeRecord(spec, 3, 4));
    TargetRecord record;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(DecodeTarget(spec, bytes.substr(0, size), &record).code(), Code::kDataLoss) << size;
    }
    EXPECT_EQ(DecodeTarget(spec, bytes + "x", &record).code(), Code::kDataLoss);
    TargetSpec wider = spec;
    ++wider.width;
    EXPECT_EQ(DecodeTarget(wider, bytes, &record).code(), Code::kDataLoss);
    EXPECT_EQ(DecodeTarget(spec.codec == kTop.codec ? kHidden : kTop, bytes, &record).code(), Code::kDataLoss);
  }
}

class TargetCacheTest : public CorpusFixture {
 protected:
  // Writes sequences 0 to 19 with two variants each. The hash of a record is MixKey({salt, sequence, variant}).
  Result<std::string> WriteTargets(const std::string& path, std::string_view identity, std::uint64_t salt = 0) {
    STILL_ASSIGN_OR_RETURN(auto writer, TargetWriter::Create(PlaceAt(path), kHidden));
    for (std::uint32_t sequence = 0; sequence < 20; ++sequence) {
      for (std::uint32_t variant = 0; variant < 2; ++variant) {
        const TargetRecord record = MakeRecord(kHidden, Hash(sequence, variant, salt), 3 + sequence);
        STILL_RETURN_IF_ERROR(writer->Append(sequence, variant, record));
      }
    }
    return writer->Seal(identity);
  }
  static std::uint64_t Hash(std::uint32_t sequence, std::uint32_t variant, std::uint64_t salt = 0) {
    return MixKey({salt, sequence, variant});
  }
  // Flips one bit in the largest file below `directory`: the table of records.
  static void FlipBitOfRecords(const std::string& directory, double where) {
    const auto files = ListFilesRecursively(directory);
    ASSERT_TRUE(files.ok());
    std::string largest = files->front();
    for (const std::string& file : *files) {
      if (*FileSize(file) > *FileSize(largest)) largest = file;
    }
    FlipBit(largest, static_cast<std::size_t>(where * static_cast<double>(*FileSize(largest))));
  }
  std::string shard() const { return JoinPath(directory_, "shard-00000"); }
};

TEST_F(TargetCacheTest, ReadsBackRecordsSpecIdentityAndCounts) {
  const auto digest = WriteTargets(shard(), "kind=targets\nteacher=abc\n");
  ASSERT_TRUE(digest.ok()) << digest.status().ToString();
  const auto reader = TargetReader::Open(shard());
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->spec(), kHidden);
  EXPECT_EQ((*reader)->identity(), "kind=targets\nteacher=abc\n");
  EXPECT_EQ((*reader)->summary().digest, *digest);
  EXPECT_EQ((*reader)->summary().records, 40U);
  EXPECT_EQ((*reader)->summary().positions, 2 * 250U);
  EXPECT_EQ((*reader)->summary().bytes, 40 * 16 + 500 * 22U);
  EXPECT_TRUE((*reader)->Verify().ok());
  TargetRecord record;
  ASSERT_TRUE((*reader)->Read(17, 1, Hash(17, 1), &record).ok());
  ExpectNear(record.hidden, MakeRecord(kHidden, Hash(17, 1), 20).hidden);
}

TEST_F(TargetCacheTest, ARecordThatIsMissingOrOfAnotherMaskedInputIsNamed) {
  ASSERT_TRUE(WriteTargets(shard(), "").ok());
  const auto reader = TargetReader::Open(shard());
  ASSERT_TRUE(reader.ok());
  TargetRecord record;
  const Status swapped = (*reader)->Read(4, 1, Hash(5, 1), &record);
  EXPECT_EQ(swapped.code(), Code::kDataLoss);
  EXPECT_THAT(swapped.message(), HasSubstr("sequence 4, variant 1 in " + shard()));
  EXPECT_EQ((*reader)->Read(20, 0, Hash(20, 0), &record).code(), Code::kNotFound);
  EXPECT_THAT((*reader)->Read(4, 2, Hash(4, 2), &record).message(), HasSubstr("sequence 4, variant 2"));
}

TEST_F(TargetCacheTest, AFlippedBitIsFoundByReadOrVerify) {
  for (const double where : {0.01, 0.2, 0.5, 0.8}) {
    ASSERT_TRUE(WriteTargets(shard(), "").ok());
    FlipBitOfRecords(shard(), where);
    const auto reader = TargetReader::Open(shard());
    if (!reader.ok()) {
      EXPECT_EQ(reader.status().code(), Code::kDataLoss) << reader.status().ToString();
    } else {
      EXPECT_EQ((*reader)->Verify().code(), Code::kDataLoss);
      int refused = 0;
      for (std::uint32_t sequence = 0; sequence < 20; ++sequence) {
        TargetRecord record;
        const Status status = (*reader)->Read(sequence, 0, Hash(sequence, 0), &record);
        if (status.ok()) {
          ExpectNear(record.hidden, MakeRecord(kHidden, Hash(sequence, 0), 3 + sequence).hidden);
        } else {
          EXPECT_EQ(status.code(), Code::kDataLoss) << status.ToString();
          ++refused;
        }
      }
      EXPECT_GT(refused, 0);
    }
    ASSERT_TRUE(RemoveAll(shard()).ok());
  }
}

TEST_F(TargetCacheTest, SecondExecutionOfAShardMustGiveTheSameBits) {
  const auto first = WriteTargets(shard(), "id");
  ASSERT_TRUE(first.ok());
  const auto again = WriteTargets(shard(), "id");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, *first);
  const auto differs = WriteTargets(shard(), "id", /*salt=*/1);
  EXPECT_EQ(differs.status().code(), Code::kDataLoss);
  EXPECT_THAT(differs.status().message(), AllOf(HasSubstr(shard()), HasSubstr("the same work gave two results")));
}

TEST_F(TargetCacheTest, ValuesThatAHalfCannotHoldAreRefused) {
  auto writer = TargetWriter::Create(PlaceAt(shard()), kHidden);
  ASSERT_TRUE(writer.ok());
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 70000.0F}) {
    TargetRecord record = MakeRecord(kHidden, 1, 2);
    record.hidden[13] = bad;
    const Status refused = (*writer)->Append(6, 1, record);
    EXPECT_EQ(refused.code(), Code::kDataLoss);
    EXPECT_THAT(refused.message(), HasSubstr("sequence 6, variant 1"));
  }
  EXPECT_EQ((*writer)->bytes(), 0U);
}

class TargetStoreTest : public TargetCacheTest {
 protected:
  TargetStoreTest() : identity_("targets") { identity_.Add("teacher", "abc"); }
  TargetStore Open(const TargetSpec& spec = kHidden) {
    auto store = TargetStore::Open(ArtifactStore(directory_), identity_, spec, 3);
    STILL_CHECK(store.ok(), store.status().ToString());
    return std::move(store).value();
  }
  IdentityBuilder identity_;
};

TEST_F(TargetStoreTest, BecomesAnArtifactWhenAllShardsAreSealed) {
  const TargetStore store = Open();
  for (const std::uint32_t shard : {2U, 0U}) {
    ASSERT_TRUE(WriteTargets(store.PlaceOf(shard).path, store.identity(), shard).ok());
  }
  EXPECT_EQ(store.SealedDigest(1).status().code(), Code::kNotFound);
  const Status early = store.Commit({});
  EXPECT_EQ(early.code(), Code::kNotFound);
  EXPECT_THAT(early.message(), HasSubstr("shard-00001"));
  EXPECT_FALSE(store.Committed());

  // Another process resumes where the first one was killed.
  const TargetStore resumed = Open();
  ASSERT_TRUE(MakeDirectories(fmt::format("{}.partial-{}-999999999", resumed.PlaceOf(1).path, HostName())).ok());
  EXPECT_TRUE(resumed.SealedDigest(0).ok());
  ASSERT_TRUE(WriteTargets(resumed.PlaceOf(1).path, resumed.identity(), 1).ok());
  const Status committed = resumed.Commit({{"seconds", 2.5}});
  ASSERT_TRUE(committed.ok()) << committed.ToString();
  EXPECT_TRUE(store.Commit({}).ok());  // the slower of two processes finds it done
  EXPECT_FALSE(Exists(store.building_path()));
  EXPECT_TRUE(store.SealedDigest(1).ok());
  EXPECT_THAT(*ListDirectory(store.final_path()), ::testing::ElementsAre("identity.txt", "manifest.json", "shard-00000",
                                                                         "shard-00001", "shard-00002", "summary.json"));
  const Summary summary = *ReadSummary(store.final_path());
  EXPECT_EQ(summary.at("records"), 120);
  EXPECT_EQ(summary.at("positions"), 1500);
  EXPECT_EQ(summary.at("seconds"), 2.5);

  const auto set = TargetSet::Open(store.final_path());
  ASSERT_TRUE(set.ok()) << set.status().ToString();
  EXPECT_EQ((*set)->spec(), kHidden);
  EXPECT_EQ((*set)->shards(), 3U);
  EXPECT_TRUE((*set)->Verify().ok());
  TargetRecord record;
  EXPECT_TRUE((*set)->Read(2, 5, 1, Hash(5, 1, 2), &record).ok());
  EXPECT_EQ((*set)->Read(1, 5, 1, Hash(5, 1, 2), &record).code(), Code::kDataLoss);
}

TEST_F(TargetStoreTest, RefusesAShardOfAnotherIdentityOrSpec) {
  const TargetStore store = Open();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    ASSERT_TRUE(WriteTargets(store.PlaceOf(shard).path, shard == 2 ? "kind=other\n" : store.identity()).ok());
  }
  const Status refused = store.Commit({});
  EXPECT_EQ(refused.code(), Code::kDataLoss);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("shard-00002"), HasSubstr("remove " + store.building_path())));
  TargetSpec warmer = kHidden;
  warmer.temperature = 4;
  EXPECT_THAT(Open(warmer).Commit({}).message(), HasSubstr("shard-00000"));
}

TEST_F(TargetStoreTest, SetRefusesShardsThatAreNotInItsManifest) {
  const TargetStore store = Open();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    ASSERT_TRUE(WriteTargets(store.PlaceOf(shard).path, store.identity(), shard).ok());
  }
  ASSERT_TRUE(store.Commit({}).ok());
  const std::string first = JoinPath(store.final_path(), "shard-00000");
  ASSERT_TRUE(RemoveAll(first).ok());
  ASSERT_TRUE(WriteTargets(first, store.identity(), /*salt=*/9).ok());
  const auto set = TargetSet::Open(store.final_path());
  ASSERT_TRUE(set.ok());
  TargetRecord record;
  const Status refused = (*set)->Read(0, 0, 0, Hash(0, 0, 9), &record);
  EXPECT_EQ(refused.code(), Code::kDataLoss);
  EXPECT_THAT(refused.message(), HasSubstr("manifest.json"));
  EXPECT_TRUE((*set)->Read(1, 0, 0, Hash(0, 0, 1), &record).ok());
}

}  // namespace
}  // namespace still::shards
