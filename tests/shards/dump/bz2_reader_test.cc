#include "shards/dump/bz2_reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

#include "common/random.h"
#include "shards/dump/wikipedia.h"
#include "tests/shards/text/text_fixture.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kBlockMagic = 0x314159265359;
constexpr std::uint64_t kEndMagic = 0x177245385090;

class Bz2ReaderTest : public TextFixture {
 protected:
  static Result<std::string> ReadAll(const std::string& path) {
    STILL_ASSIGN_OR_RETURN(const auto reader, Bz2Reader::Open(path));
    std::string all;
    std::string text;
    while (true) {
      STILL_ASSIGN_OR_RETURN(const bool more, reader->Next(&text));
      if (!more) return all;
      all += text;
    }
  }

  // Reads the file in splits of `split_bytes` and joins their texts. DATA_LOSS when they do not meet.
  static Result<std::string> ReadInSplits(const std::string& path, std::uint64_t split_bytes) {
    std::string all;
    std::vector<DumpJoin> joins;
    const std::uint64_t size = std::filesystem::file_size(path);
    for (std::uint64_t begin = 0; begin < size; begin += split_bytes) {
      const std::uint64_t end = std::min(begin + split_bytes, size);
      STILL_ASSIGN_OR_RETURN(const auto reader,
                             begin == 0 ? Bz2Reader::Open(path) : Bz2Reader::OpenAt(path, begin, end));
      std::string text;
      while (!reader->AtEnd() && reader->next_bit() < end * 8) {
        STILL_RETURN_IF_ERROR(reader->Next(&text).status());
        all += text;
      }
      joins.push_back({.blocks = reader->join()});
    }
    if (joins.empty()) return ReadAll(path);
    joins[0].pages_from = 0;  // as if all were one page: this test is not about XML
    STILL_RETURN_IF_ERROR(CheckDumpJoins(path, size, joins).status());
    return all;
  }
};

std::string Words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "word " + std::to_string(i * 7919 % 1000) + (i % 9 == 0 ? "\n" : " ");
  return text;
}

std::string Noise(std::size_t bytes) {
  KeyedRandom random(MixKey({bytes}));
  std::string text;
  while (text.size() < bytes) text += static_cast<char>(random.NextUnit() * 256);
  return text;
}

// Returns at how many bits of `bytes` the magic stands.
int Count(std::uint64_t magic, const std::string& bytes) {
  int count = 0;
  std::uint64_t window = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    window = (window << 1 | (static_cast<unsigned char>(bytes[bit / 8]) >> (7 - bit % 8) & 1)) & 0xffffffffffff;
    if (bit >= 47 && window == magic) ++count;
  }
  return count;
}

TEST_F(Bz2ReaderTest, EveryCompressionLevelIsReadWholeAndInSplits) {
  const std::string text = Words(150000) + Noise(300000) + std::string(3000000, 'x') + Words(1000);
  for (int level = 1; level <= 9; ++level) {
    const std::string path = Write("level.bz2", Compressed(text, level));
    EXPECT_EQ(*ReadAll(path), text) << level;
    for (const std::uint64_t split_bytes : {5000, 100000}) {
      EXPECT_EQ(*ReadInSplits(path, split_bytes), text) << level << ", splits of " << split_bytes;
    }
  }
}

TEST_F(Bz2ReaderTest, SeveralBlocksAndStreamsReadAsOneText) {
  const std::string first = Words(40000);  // more than two 100 kB blocks
  const std::string bytes =
      Compressed("") + Compressed(first) + Compressed("") + Compressed("") + Compressed("tail", 9) + Compressed("");
  const std::string path = Write("many.bz2", bytes);
  EXPECT_EQ(*ReadAll(path), first + "tail");
  for (const std::uint64_t split_bytes : {1, 7, 13, 14, 15, 100, 4096}) {
    EXPECT_EQ(*ReadInSplits(path, split_bytes), first + "tail") << split_bytes;
  }
  EXPECT_EQ(*ReadInSplits(Write("none.bz2", Compressed("") + Compressed("")), 5), "");
}

TEST_F(Bz2ReaderTest, ABlockThatExpandsMostIsOneBlock) {
  const std::string text(45'000'000, 'a');
  const std::string path = Write("runs.bz2", Compressed(text, 9));
  EXPECT_LT(*FileSize(path), 1000u);
  EXPECT_TRUE(*ReadAll(path) == text);
}

TEST_F(Bz2ReaderTest, AMagicInTheDataNeitherEndsNorBeginsABlock) {
  for (const std::uint64_t magic : {kBlockMagic, kEndMagic}) {
    std::string text;
    for (int i = 0; i < 20; ++i) text += CharactersThatSpell(magic) + Words(5);
    const std::string bytes = CompressedInStreams(text, text.size() / 4);  // each has all of the characters
    ASSERT_EQ(Count(kBlockMagic, bytes) + Count(kEndMagic, bytes), 2 * 4 + 4 + (text.size() % 4 > 0 ? 2 : 0));
    const std::string path = Write("chance.bz2", bytes);
    EXPECT_EQ(*ReadAll(path), text);
    for (std::uint64_t split_bytes = 1; split_bytes < 40; ++split_bytes) {
      EXPECT_EQ(*ReadInSplits(path, split_bytes), text) << split_bytes;
    }
  }
}

TEST_F(Bz2ReaderTest, EveryTruncationIsDataLossAtTheEndOfTheFile) {
  const std::string whole = Compressed(Words(50));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string path = Write("cut.bz2", whole.substr(0, size));
    const auto text = ReadAll(path);
    ASSERT_EQ(text.status().code(), Code::kDataLoss) << "cut to " << size;
    EXPECT_THAT(text.status().message(), AllOf(HasSubstr(path), HasSubstr("byte " + std::to_string(size) + " of")));
  }
}

TEST_F(Bz2ReaderTest, AFlippedBitIsDataLossOrChangesNothing) {
  const std::string text = Words(50);
  const std::string whole = Compressed(text);
  int unnoticed = 0;  // bits with no meaning for this data: the announced block size, padding of the last byte
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto read = ReadAll(Write("flip.bz2", damaged));
    if (read.ok()) {
      ++unnoticed;
      EXPECT_EQ(*read, text) << "bit " << bit;
    } else {
      EXPECT_EQ(read.status().code(), Code::kDataLoss) << "bit " << bit;
    }
  }
  EXPECT_LE(unnoticed, 20);
}

TEST_F(Bz2ReaderTest, DamageAnywhereIsDataLossInSplitsToo) {
  const std::string text = Words(40000);
  const std::string whole = Compressed(text.substr(0, 200000)) + Compressed(text.substr(200000), 3);
  KeyedRandom random(MixKey({2026, 5}));
  for (int i = 0; i < 60; ++i) {
    std::string damaged = whole;
    const auto bit = static_cast<std::size_t>(random.NextUnit() * static_cast<double>(whole.size() * 8));
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto read = ReadInSplits(Write("flip.bz2", damaged), 5000);
    if (read.ok()) {
      EXPECT_EQ(*read, text) << "bit " << bit;
    } else {
      EXPECT_EQ(read.status().code(), Code::kDataLoss) << "bit " << bit;
    }
    const std::string cut = whole.substr(0, bit / 8);
    EXPECT_EQ(ReadInSplits(Write("cut.bz2", cut), 5000).status().code(), Code::kDataLoss) << bit / 8;
  }
}

TEST_F(Bz2ReaderTest, TheChecksumOfAStreamIsComparedAcrossSplits) {
  std::string bytes = Compressed(Words(40000));
  bytes[bytes.size() - 3] ^= 1;  // the checksum has 32 of the last 39 bits
  const std::string path = Write("crc.bz2", bytes);
  EXPECT_EQ(ReadAll(path).status().code(), Code::kDataLoss);
  for (const std::uint64_t split_bytes : {100, 20000}) {
    EXPECT_EQ(ReadInSplits(path, split_bytes).status().code(), Code::kDataLoss) << split_bytes;
  }
}

TEST_F(Bz2ReaderTest, BytesAfterTheLastStreamAreDataLoss) {
  const auto text = ReadAll(Write("tail.bz2", Compressed("abc") + "<html>"));
  EXPECT_EQ(text.status().code(), Code::kDataLoss);
}

TEST_F(Bz2ReaderTest, AMissingFileIsNotFound) {
  EXPECT_EQ(ReadAll(directory_ + "/none.bz2").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace still::shards
