#include "common/storage/sealed_kv.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "common/bytes.h"
#include "common/random.h"
#include "common/storage/files.h"
#include "tests/testing/damage.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::FlipBit;
using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Returns 300 records of up to 6 KB that do not compress.
std::map<std::string, std::string> SomeRecords() {
  std::map<std::string, std::string> records;
  KeyedRandom random(1);
  for (std::uint64_t i = 0; i < 300; ++i) {
    std::string value(random.NextBelow(6000), '\0');
    for (char& c : value) c = static_cast<char>(random.NextU32());
    records[BigEndianKey(i * 7)] = value;
  }
  return records;
}

void WriteDatabase(const std::string& path, const std::map<std::string, std::string>& records) {
  ASSERT_OK_AND_ASSIGN(const auto writer, SealedKvWriter::Create(path));
  for (const auto& [key, value] : records) ASSERT_OK(writer->Put(key, value));
  ASSERT_OK(writer->Seal("properties of it"));
}

TEST(SealedKvTest, SealedRecordsAreReadBack) {
  const TempDirectory directory;
  const std::string path = directory / "database";
  const auto records = SomeRecords();
  WriteDatabase(path, records);
  ASSERT_OK_AND_ASSIGN(const auto database, SealedKv::Open(path));
  EXPECT_EQ(database->properties(), "properties of it");
  std::string value;
  for (const auto& [key, expected] : records) {
    ASSERT_OK(database->Get(key, &value));
    EXPECT_TRUE(value == expected);
  }
  std::map<std::string, std::string> visited;
  ASSERT_OK(database->ForEach([&](std::string_view key, std::string_view found) {
    EXPECT_TRUE(visited.empty() || visited.rbegin()->first < key);
    visited.emplace(key, found);
    return Ok();
  }));
  EXPECT_TRUE(visited == records);
  EXPECT_THAT(database->Get(BigEndianKey(1), &value), StatusIs(Code::kNotFound, HasSubstr("0x0000000000000001")));
}

TEST(SealedKvTest, AVisitorsErrorEndsTheVisit) {
  const TempDirectory directory;
  WriteDatabase(directory / "database", SomeRecords());
  ASSERT_OK_AND_ASSIGN(const auto database, SealedKv::Open(directory / "database"));
  int visits = 0;
  EXPECT_THAT(database->ForEach([&](std::string_view, std::string_view) {
    return ++visits == 3 ? Error(Code::kCancelled, "enough") : Ok();
  }),
              StatusIs(Code::kCancelled, "enough"));
  EXPECT_EQ(visits, 3);
}

TEST(SealedKvTest, ADatabaseOfNoRecordsKeepsItsProperties) {
  const TempDirectory directory;
  WriteDatabase(directory / "database", {});
  ASSERT_OK_AND_ASSIGN(const auto database, SealedKv::Open(directory / "database"));
  EXPECT_EQ(database->properties(), "properties of it");
  EXPECT_OK(database->ForEach([](std::string_view, std::string_view) { return Error(Code::kInternal, "a record"); }));
  std::string value;
  EXPECT_THAT(database->Get("", &value), StatusIs(Code::kNotFound));
}

TEST(SealedKvTest, AnyKeyAndValueIsAllowed) {
  const TempDirectory directory;
  const std::map<std::string, std::string> records = {
      {"", "empty key"}, {std::string(1, '\0'), ""}, {"z", "like the properties"}, {"\xff\xff", std::string(3, '\0')}};
  WriteDatabase(directory / "database", records);
  ASSERT_OK_AND_ASSIGN(const auto database, SealedKv::Open(directory / "database"));
  std::string value;
  for (const auto& [key, expected] : records) {
    ASSERT_OK(database->Get(key, &value));
    EXPECT_EQ(value, expected);
  }
}

TEST(SealedKvTest, WithoutSealNothingIsLeft) {
  const TempDirectory directory;
  {
    ASSERT_OK_AND_ASSIGN(const auto writer, SealedKvWriter::Create(directory / "database"));
    ASSERT_OK(writer->Put("key", "value"));
    EXPECT_FALSE(Exists(directory / "database"));
  }
  EXPECT_THAT(*ListDirectory(directory.path()), IsEmpty());
}

TEST(KvDeathTest, KeysOutOfOrderAreABug) {
  const TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const auto writer, SealedKvWriter::Create(directory / "database"));
  ASSERT_OK(writer->Put("b", ""));
  EXPECT_DEATH(static_cast<void>(writer->Put("b", "")), "keys ascend strictly");
  EXPECT_DEATH(static_cast<void>(writer->Put("a", "")), "keys ascend strictly");
}

// Returns the .sst file of a database.
std::string TableOf(const std::string& path) {
  for (const std::string& name : ListDirectory(path).value()) {
    if (name.ends_with(".sst")) return JoinPath(path, name);
  }
  ADD_FAILURE() << "no table in " << path;
  return "";
}

// Reads everything and returns the first error. A wrong value is a test failure.
Status ReadEverything(const std::string& path, const std::map<std::string, std::string>& records) {
  STILL_ASSIGN_OR_RETURN(const auto database, SealedKv::Open(path));
  std::string value;
  for (const auto& [key, expected] : records) {
    STILL_RETURN_IF_ERROR(database->Get(key, &value));
    EXPECT_TRUE(value == expected) << "a flipped bit went unnoticed";
  }
  return Ok();
}

TEST(SealedKvTest, AFlippedBitAnywhereInTheTableIsDataLossOrHarmless) {
  const TempDirectory directory;
  const auto records = SomeRecords();
  WriteDatabase(directory / "database", records);
  const std::string table = TableOf(directory / "database");
  const std::uint64_t size = *FileSize(table);
  int noticed = 0;
  constexpr int kFlips = 40;
  for (int i = 0; i < kFlips; ++i) {
    const std::uint64_t at = size * static_cast<std::uint64_t>(i) / kFlips;
    FlipBit(table, at);
    const Status status = ReadEverything(directory / "database", records);
    if (!status.ok()) {
      ++noticed;
      EXPECT_THAT(status, StatusIs(Code::kDataLoss, HasSubstr(directory / "database"))) << "byte " << at;
    }
    FlipBit(table, at);
  }
  EXPECT_GE(noticed, kFlips * 9 / 10);  // what is left is padding and statistics
  EXPECT_OK(ReadEverything(directory / "database", records));
}

TEST(SealedKvTest, TruncatedMissingAndForeignFilesAreDataLoss) {
  const TempDirectory directory;
  const auto records = SomeRecords();
  WriteDatabase(directory / "short", records);
  std::filesystem::resize_file(TableOf(directory / "short"), 5000);
  EXPECT_THAT(ReadEverything(directory / "short", records), StatusIs(Code::kDataLoss));
  WriteDatabase(directory / "gone", records);
  std::filesystem::remove(TableOf(directory / "gone"));
  EXPECT_THAT(ReadEverything(directory / "gone", records), StatusIs(Code::kDataLoss));
  std::filesystem::create_directory(directory / "none");
  EXPECT_THAT(SealedKv::Open(directory / "none"), StatusIs(Code::kDataLoss));
  EXPECT_THAT(SealedKv::Open(directory / "absent"), StatusIs(Code::kNotFound, HasSubstr("absent")));
}

TEST(SealedKvTest, ReadingWritesNothing) {
  const TempDirectory directory;
  const auto records = SomeRecords();
  WriteDatabase(directory / "database", records);
  const auto before = *ListDirectory(directory / "database");
  EXPECT_OK(ReadEverything(directory / "database", records));
  EXPECT_EQ(*ListDirectory(directory / "database"), before);
  for (const std::string& name : before) EXPECT_FALSE(name.starts_with("LOG")) << name;
}

TEST(SealedKvTest, ThreadsReadOneDatabase) {
  const TempDirectory directory;
  const auto records = SomeRecords();
  WriteDatabase(directory / "database", records);
  ASSERT_OK_AND_ASSIGN(const auto database, SealedKv::Open(directory / "database"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::string value;
      for (const auto& [key, expected] : records) {
        EXPECT_OK(database->Get(key, &value));
        EXPECT_TRUE(value == expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace still
