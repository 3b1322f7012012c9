#include "shards/targets/target_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/host_name.h"
#include "shards/targets/target_store.h"
#include "tests/shards/corpus/corpus_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using testing::FlipBit;
using ::testing::HasSubstr;
using testing::StatusIs;

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
    ASSERT_OK(DecodeTarget(spec, bytes, &decoded));
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
  ASSERT_OK(DecodeTarget(spec, EncodeTarget(spec, record), &decoded));
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
    ASSERT_OK_AND_ASSIGN(const auto files, ListFilesRecursively(directory));
    std::string largest = files.front();
    for (const std::string& file : files) {
      if (*FileSize(file) > *FileSize(largest)) largest = file;
    }
    FlipBit(largest, static_cast<std::size_t>(where * static_cast<double>(*FileSize(largest))));
  }
  std::string shard() const { return JoinPath(directory_, "shard-00000"); }
};

TEST_F(TargetCacheTest, ReadsBackRecordsSpecIdentityAndCounts) {
  ASSERT_OK_AND_ASSIGN(const auto digest, WriteTargets(shard(), "kind=targets\nteacher=abc\n"));
  ASSERT_OK_AND_ASSIGN(const auto reader, TargetReader::Open(shard()));
  EXPECT_EQ(reader->spec(), kHidden);
  EXPECT_EQ(reader->identity(), "kind=targets\nteacher=abc\n");
  EXPECT_EQ(reader->summary().digest, digest);
  EXPECT_EQ(reader->summary().records, 40U);
  EXPECT_EQ(reader->summary().positions, 2 * 250U);
  EXPECT_EQ(reader->summary().bytes, 40 * 16 + 500 * 22U);
  EXPECT_OK(reader->Verify());
  TargetRecord record;
  ASSERT_OK(reader->Read(17, 1, Hash(17, 1), &record));
  ExpectNear(record.hidden, MakeRecord(kHidden, Hash(17, 1), 20).hidden);
}

TEST_F(TargetCacheTest, ARecordThatIsMissingOrOfAnotherMaskedInputIsNamed) {
  ASSERT_OK(WriteTargets(shard(), ""));
  ASSERT_OK_AND_ASSIGN(const auto reader, TargetReader::Open(shard()));
  TargetRecord record;
  EXPECT_THAT(reader->Read(4, 1, Hash(5, 1), &record),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("sequence 4, variant 1"), HasSubstr(shard()))));
  EXPECT_EQ(reader->Read(20, 0, Hash(20, 0), &record).code(), Code::kNotFound);
  EXPECT_THAT(reader->Read(4, 2, Hash(4, 2), &record).message(), HasSubstr("sequence 4, variant 2"));
}

TEST_F(TargetCacheTest, AFlippedBitIsFoundByReadOrVerify) {
  for (const double where : {0.01, 0.2, 0.5, 0.8}) {
    ASSERT_OK(WriteTargets(shard(), ""));
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
    ASSERT_OK(RemoveAll(shard()));
  }
}

TEST_F(TargetCacheTest, SecondExecutionOfAShardMustGiveTheSameBits) {
  ASSERT_OK_AND_ASSIGN(const auto first, WriteTargets(shard(), "id"));
  ASSERT_OK_AND_ASSIGN(const auto again, WriteTargets(shard(), "id"));
  EXPECT_EQ(again, first);
  EXPECT_THAT(WriteTargets(shard(), "id", /*salt=*/1), StatusIs(Code::kDataLoss, HasSubstr(shard())));
}

TEST_F(TargetCacheTest, ValuesThatAHalfCannotHoldAreRefused) {
  ASSERT_OK_AND_ASSIGN(auto writer, TargetWriter::Create(PlaceAt(shard()), kHidden));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 70000.0F}) {
    TargetRecord record = MakeRecord(kHidden, 1, 2);
    record.hidden[13] = bad;
    EXPECT_THAT(writer->Append(6, 1, record), StatusIs(Code::kDataLoss, HasSubstr("sequence 6, variant 1")));
  }
  EXPECT_EQ(writer->bytes(), 0U);
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
    ASSERT_OK(WriteTargets(store.PlaceOf(shard).path, store.identity(), shard));
  }
  EXPECT_EQ(store.SealedDigest(1).status().code(), Code::kNotFound);
  EXPECT_THAT(store.Commit({}), StatusIs(Code::kNotFound, HasSubstr("shard-00001")));
  EXPECT_FALSE(store.Committed());

  // Another process resumes where the first one was killed.
  const TargetStore resumed = Open();
  ASSERT_OK(MakeDirectories(fmt::format("{}.partial-{}-999999999", resumed.PlaceOf(1).path, HostName())));
  EXPECT_OK(resumed.SealedDigest(0));
  ASSERT_OK(WriteTargets(resumed.PlaceOf(1).path, resumed.identity(), 1));
  const Status committed = resumed.Commit({{"seconds", 2.5}});
  ASSERT_TRUE(committed.ok()) << committed.ToString();
  EXPECT_OK(store.Commit({}));  // the slower of two processes finds it done
  EXPECT_FALSE(Exists(store.building_path()));
  EXPECT_OK(store.SealedDigest(1));
  EXPECT_THAT(*ListDirectory(store.final_path()), ::testing::ElementsAre("identity.txt", "manifest.json", "shard-00000",
                                                                         "shard-00001", "shard-00002", "summary.json"));
  const Summary summary = *ReadSummary(store.final_path());
  EXPECT_EQ(summary.at("records"), 120);
  EXPECT_EQ(summary.at("positions"), 1500);
  EXPECT_EQ(summary.at("seconds"), 2.5);

  ASSERT_OK_AND_ASSIGN(const auto set, TargetSet::Open(store.final_path()));
  EXPECT_EQ(set->spec(), kHidden);
  EXPECT_EQ(set->shards(), 3U);
  EXPECT_OK(set->Verify());
  TargetRecord record;
  EXPECT_OK(set->Read(2, 5, 1, Hash(5, 1, 2), &record));
  EXPECT_EQ(set->Read(1, 5, 1, Hash(5, 1, 2), &record).code(), Code::kDataLoss);
}

TEST_F(TargetStoreTest, RefusesAShardOfAnotherIdentityOrSpec) {
  const TargetStore store = Open();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    ASSERT_OK(WriteTargets(store.PlaceOf(shard).path, shard == 2 ? "kind=other\n" : store.identity()));
  }
  EXPECT_THAT(store.Commit({}),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("shard-00002"), HasSubstr("remove " + store.building_path()))));
  TargetSpec warmer = kHidden;
  warmer.temperature = 4;
  EXPECT_THAT(Open(warmer).Commit({}).message(), HasSubstr("shard-00000"));
}

TEST_F(TargetStoreTest, SetRefusesShardsThatAreNotInItsManifest) {
  const TargetStore store = Open();
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    ASSERT_OK(WriteTargets(store.PlaceOf(shard).path, store.identity(), shard));
  }
  ASSERT_OK(store.Commit({}));
  const std::string first = JoinPath(store.final_path(), "shard-00000");
  ASSERT_OK(RemoveAll(first));
  ASSERT_OK(WriteTargets(first, store.identity(), /*salt=*/9));
  ASSERT_OK_AND_ASSIGN(const auto set, TargetSet::Open(store.final_path()));
  TargetRecord record;
  EXPECT_THAT(set->Read(0, 0, 0, Hash(0, 0, 9), &record), StatusIs(Code::kDataLoss, HasSubstr("manifest.json")));
  EXPECT_OK(set->Read(1, 0, 0, Hash(0, 0, 1), &record));
}

}  // namespace
}  // namespace still::shards
