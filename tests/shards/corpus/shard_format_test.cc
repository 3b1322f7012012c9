#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "common/bytes.h"
#include "shards/corpus/shard_reader.h"
#include "shards/corpus/shard_writer.h"
#include "tests/shards/corpus/corpus_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::FlipBit;
using ::testing::HasSubstr;
using testing::StatusIs;

class ShardFormatTest : public CorpusFixture {
 protected:
  // Writes ten documents with 40 sequences of 100 tokens each: 80 KB of tokens in two blocks.
  void WriteShard(const std::string& path) {
    std::filesystem::remove(path);
    ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(path), TestInfo(Split::kTrain, 3)));
    for (std::uint64_t document = 0; document < 10; ++document) {
      ASSERT_OK(writer->BeginDocument(TestDocument(document)));
      for (std::uint64_t i = 0; i < 40; ++i) {
        ASSERT_OK(writer->AddSequence(TestSequence(document * 40 + i, 100)));
      }
    }
    ASSERT_OK_AND_ASSIGN(digest_, writer->Commit());
  }
  // Writes 1000 sequences of 128 tokens: four blocks, of which 1 and 2 hold tokens only.
  void WriteLongShard() {
    ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(shard()), TestInfo(Split::kTrain, 3)));
    ASSERT_OK(writer->BeginDocument(TestDocument(0)));
    for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_OK(writer->AddSequence(TestSequence(i, 128)));
    ASSERT_OK(writer->Commit());
  }
  std::string shard() const { return JoinPath(directory_, "train-00003"); }

  Sha256Digest digest_{};
};

TEST_F(ShardFormatTest, ReadsBackWhatWasWritten) {
  WriteShard(shard());
  ASSERT_OK_AND_ASSIGN(const auto reader, ShardReader::Open(shard()));
  const ShardReader& read = *reader;
  EXPECT_OK(read.Verify());
  EXPECT_EQ(read.sha256(), digest_);
  EXPECT_EQ(read.info().corpus_fingerprint, "0123456789abcdef");
  EXPECT_EQ(read.info().tokenizer_fingerprint, "fedcba9876543210");
  EXPECT_EQ(read.info().shard, 3U);
  EXPECT_EQ(read.info().special, TestSpecials());
  ASSERT_EQ(read.sequences(), 400U);
  ASSERT_EQ(read.documents(), 10U);
  std::vector<std::uint32_t> counts(kTestVocabulary);
  for (std::uint64_t i = 0; i < 400; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto tokens, read.Sequence(i));
    EXPECT_EQ(std::vector<TokenId>(tokens.begin(), tokens.end()), TestSequence(i, 100));
    EXPECT_EQ(read.Length(i), 100U);
    EXPECT_EQ(read.DocumentOf(i), i / 40);
    for (const TokenId token : tokens) ++counts[token];
  }
  const DocumentInfo document = read.Document(7);
  EXPECT_EQ(document.source, "dump-1.xml.bz2");
  EXPECT_EQ(document.byte_offset, 7000U);
  EXPECT_EQ(document.page_id, 77U);
  EXPECT_EQ(document.sha1, Sha1Of("7"));
  EXPECT_EQ(std::vector<std::uint32_t>(read.token_histogram().begin(), read.token_histogram().end()), counts);
  EXPECT_EQ(read.length_histogram().size(), 101U);
  EXPECT_EQ(read.length_histogram()[100], 400U);
}

TEST_F(ShardFormatTest, TheSameCallsMakeTheSameBytes) {
  WriteShard(shard());
  WriteShard(JoinPath(directory_, "again"));
  EXPECT_EQ(*ReadFile(shard()), *ReadFile(JoinPath(directory_, "again")));
}

TEST_F(ShardFormatTest, DocumentsWithoutSequencesLeaveNoTrace) {
  ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(shard()), TestInfo(Split::kTrain, 0)));
  for (std::uint64_t document : {1, 2, 3}) {
    ASSERT_OK(writer->BeginDocument(TestDocument(document)));
    if (document == 2) {
      ASSERT_OK(writer->AddSequence(TestSequence(0, 12)));
    }
  }
  ASSERT_OK(writer->Commit());
  ASSERT_OK_AND_ASSIGN(const auto reader, ShardReader::Open(shard()));
  ASSERT_EQ(reader->documents(), 1U);
  EXPECT_EQ(reader->Document(0).sha1, Sha1Of("2"));
}

TEST_F(ShardFormatTest, RefusesTokensOutsideTheVocabularyAndEmptySequences) {
  ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(shard()), TestInfo(Split::kTrain, 0)));
  ASSERT_OK(writer->BeginDocument(TestDocument(0)));
  EXPECT_EQ(writer->AddSequence(TokenSpan()).code(), Code::kInvalidArgument);
  const std::vector<TokenId> outside = {5, kTestVocabulary};
  EXPECT_THAT(writer->AddSequence(outside),
              StatusIs(Code::kInvalidArgument, AllOf(HasSubstr(shard()), HasSubstr("1000"))));
  EXPECT_EQ(writer->tokens(), 0U);
}

TEST_F(ShardFormatTest, NothingStandsUnderTheNameBeforeCommit) {
  {
    ASSERT_OK_AND_ASSIGN(auto writer, ShardWriter::Create(PlaceAt(shard()), TestInfo(Split::kTrain, 0)));
    EXPECT_FALSE(Exists(shard()));
  }
  EXPECT_THAT(*ListDirectory(directory_), ElementsAre());
}

// A checksum covers every byte: Open or Verify must find a flip in any of them.
TEST_F(ShardFormatTest, AFlippedBitAnywhereIsFound) {
  WriteShard(shard());
  const std::string good = *ReadFile(shard());
  const std::size_t footer = good.size() - sizeof(format::Footer);
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 256; ++at) places.push_back(at);
  for (std::size_t at = 256; at < footer; at += 211) places.push_back(at);
  for (std::size_t at = footer; at < good.size(); ++at) places.push_back(at);
  for (const std::size_t at : places) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    ASSERT_OK(WriteFileAtomically(shard(), bad));
    const auto reader = ShardReader::Open(shard());
    const Status found = reader.ok() ? (*reader)->Verify() : reader.status();
    ASSERT_EQ(found.code(), Code::kDataLoss) << "byte " << at;
    ASSERT_THAT(found.message(), AllOf(HasSubstr(shard()), HasSubstr("remove " + directory_)));
  }
}

TEST_F(ShardFormatTest, DamageInABlockThatTokensShareIsFoundAtOpen) {
  WriteShard(shard());
  FlipBit(shard(), 1000);  // the header's block
  EXPECT_THAT(ShardReader::Open(shard()).status().message(), HasSubstr("0 to 65536"));
  WriteShard(shard());
  FlipBit(shard(), format::kBlockBytes + 100);  // the block in which the offsets begin
  EXPECT_THAT(ShardReader::Open(shard()).status().message(), HasSubstr("65536 to "));
}

TEST_F(ShardFormatTest, ManyThreadsMayReadABlockFirst) {
  WriteLongShard();
  ASSERT_OK_AND_ASSIGN(const auto reader, ShardReader::Open(shard()));
  std::vector<std::uint64_t> right(4);
  std::vector<std::thread> threads;
  for (std::uint64_t& count : right) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 1000; ++i) {
        const auto tokens = reader->Sequence(i);
        count += tokens.ok() && std::ranges::equal(*tokens, TestSequence(i, 128));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, Each(1000));
}

TEST_F(ShardFormatTest, DamageInABlockOfTokensIsFoundWhenItIsRead) {
  WriteLongShard();
  FlipBit(shard(), 2 * format::kBlockBytes + 5);
  ASSERT_OK_AND_ASSIGN(const auto reader, ShardReader::Open(shard()));
  EXPECT_OK(reader->Sequence(0));
  EXPECT_OK(reader->Sequence(999));
  const auto damaged = reader->Sequence(600);  // bytes 153,728 to 153,984
  EXPECT_THAT(damaged, StatusIs(Code::kDataLoss, HasSubstr("131072 to 196608")));
}

TEST_F(ShardFormatTest, AFileTruncatedAtAnyLengthIsRefused) {
  WriteShard(shard());
  const std::string good = *ReadFile(shard());
  for (std::size_t size = 0; size < good.size(); size += size < 400 ? 1 : 997) {
    ASSERT_OK(WriteFileAtomically(shard(), good.substr(0, size)));
    const auto reader = ShardReader::Open(shard());
    ASSERT_EQ(reader.status().code(), Code::kDataLoss) << size;
  }
}

TEST_F(ShardFormatTest, AnotherFileOrVersionIsNamed) {
  ASSERT_OK(WriteFileAtomically(shard(), std::string(1000, 'x')));
  EXPECT_EQ(ShardReader::Open(shard()).status().code(), Code::kDataLoss);
  WriteShard(shard());
  std::string newer = *ReadFile(shard());
  newer[8] = 9;
  ASSERT_OK(WriteFileAtomically(shard(), newer));
  EXPECT_THAT(ShardReader::Open(shard()).status().message(), HasSubstr("version 9"));
  EXPECT_EQ(ShardReader::Open(shard() + "-missing").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace still::shards
