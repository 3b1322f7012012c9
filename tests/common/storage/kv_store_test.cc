#include "common/storage/kv_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <thread>

#include "common/faults/fault_point.h"
#include "common/storage/files.h"
#include "tests/testing/damage.h"
#include "tests/testing/small_disk.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::FlipBit;
using still::testing::SmallDisk;
using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::map<std::string, std::string> RecordsOf(const KvStore& store, std::string_view prefix = "") {
  std::map<std::string, std::string> records;
  EXPECT_OK(store.ForEach(prefix, [&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(records.empty() || records.rbegin()->first < key);
    records.emplace(key, value);
    return Ok();
  }));
  return records;
}

Status Put(KvStore& store, std::string_view key, std::string_view value) {
  KvBatch batch;
  batch.Put(key, value);
  return store.Commit(batch);
}

TEST(KvStoreTest, CommittedRecordsAreThereAfterReopening) {
  const TempDirectory directory;
  const std::string path = directory / "parents/are/made/store";
  const std::string binary("\0\xff:\n", 4);
  {
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path));
    KvBatch batch;
    batch.Put("a", "1");
    batch.Put("b", "2");
    batch.Put("", "empty key");
    ASSERT_OK(store->Commit(batch));
    KvBatch changes;
    changes.Delete("a");
    changes.Delete("absent");
    changes.Put("b", binary);
    ASSERT_OK(store->Commit(changes));
    ASSERT_OK(store->Commit(KvBatch()));
    EXPECT_THAT(store->Get("a"), StatusIs(Code::kNotFound, AllOf(HasSubstr("'a'"), HasSubstr(path))));
  }
  for (int opened = 0; opened < 6; ++opened) {
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path));
    EXPECT_THAT(RecordsOf(*store), ElementsAre(Pair("", "empty key"), Pair("b", binary)));
    EXPECT_EQ(store->Get("b").value(), binary);
    EXPECT_THAT(store->Get("a"), StatusIs(Code::kNotFound));
  }
}

TEST(KvStoreTest, AKeyThatIsBothDeletedAndPutIsPut) {
  const TempDirectory directory;
  KvBatch batch;
  batch.Put("key", "new");
  batch.Delete("key");
  {
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(directory / "store"));
    ASSERT_OK(Put(*store, "key", "old"));
    ASSERT_OK(store->Commit(batch));
    EXPECT_EQ(store->Get("key").value(), "new");
  }
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(directory / "store"));
  EXPECT_EQ(store->Get("key").value(), "new");
}

TEST(KvStoreTest, AVisitSeesOnePrefixInKeyOrderUntilItHasEnough) {
  const TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(directory / "store"));
  for (const char* key : {"b/2", "a", "b/10", "b", "b/1", "c", "b0"}) ASSERT_OK(Put(*store, key, key));
  std::vector<std::string> visited;
  ASSERT_OK(store->ForEach("b/", [&](std::string_view key, std::string_view) {
    visited.emplace_back(key);
    return Ok();
  }));
  EXPECT_THAT(visited, ElementsAre("b/1", "b/10", "b/2"));
  EXPECT_THAT(store->ForEach("", [](std::string_view, std::string_view) { return Error(Code::kCancelled, "enough"); }),
              StatusIs(Code::kCancelled, "enough"));
}

TEST(KvStoreTest, OneProcessAtATimeHasItOpen) {
  const TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(auto store, KvStore::Open(directory / "store"));
  EXPECT_THAT(KvStore::Open(directory / "store"), StatusIs(Code::kUnavailable, HasSubstr(directory / "store")));
  store.reset();
  EXPECT_OK(KvStore::Open(directory / "store"));
}

TEST(KvStoreTest, NoLogFileIsKeptBesideTheData) {
  const TempDirectory directory;
  { ASSERT_OK(KvStore::Open(directory / "store")); }
  for (const std::string& name : *ListDirectory(directory / "store")) {
    EXPECT_TRUE(name == "LOCK" || !name.starts_with("LOG")) << name;
  }
  EXPECT_THAT(*ListDirectory(directory.path()), ElementsAre("store"));
}

TEST(KvStoreTest, ThreadsCommitAndReadTogether) {
  const TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(directory / "store"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 25; ++n) {
        const std::string key = fmt::format("{}/{}", i, n);
        EXPECT_OK(Put(*store, key, key));
        EXPECT_EQ(store->Get(key).value(), key);
        EXPECT_EQ(RecordsOf(*store, fmt::format("{}/", i)).size(), static_cast<std::size_t>(n) + 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(RecordsOf(*store).size(), 100u);
}

// Returns the largest file of the database whose name has this start and end.
std::string FileOf(const std::string& path, std::string_view beginning, std::string_view end = "") {
  std::string largest;
  for (const std::string& name : ListDirectory(path).value()) {
    const std::string file = JoinPath(path, name);
    const bool matches = name.starts_with(beginning) && name.ends_with(end);
    if (matches && (largest.empty() || *FileSize(file) > *FileSize(largest))) largest = file;
  }
  EXPECT_NE(largest, "") << "no " << beginning << "*" << end << " in " << path;
  return largest;
}

// Makes a database of ten records and opens it `opened` more times, so that they move from the log into a table.
std::string SomeDatabase(const TempDirectory& directory, const std::string& name, int opened) {
  {
    const auto store = KvStore::Open(directory / name).value();
    for (int i = 0; i < 10; ++i) EXPECT_OK(Put(*store, fmt::format("key{}", i), std::string(3000, 'v')));
  }
  for (int i = 0; i < opened; ++i) EXPECT_EQ(RecordsOf(*KvStore::Open(directory / name).value()).size(), 10u);
  return directory / name;
}

void ExpectDamaged(const std::string& path, const std::string& what) {
  // The damage shows when the database is opened, or else when it is read.
  const auto store = KvStore::Open(path);
  const Status found = store.ok() ? store.value()->ForEach("", [](auto, auto) { return Ok(); }) : store.status();
  EXPECT_THAT(found, StatusIs(Code::kDataLoss, HasSubstr("remove " + path))) << what;
}

TEST(KvStoreTest, ADamagedFileIsDataLossAndSaysWhatToRemove) {
  const TempDirectory directory;
  struct File {
    const char* beginning;
    const char* end;
    int opened;
  };
  int number = 0;
  const auto make = [&](const File& file) {
    const std::string path = SomeDatabase(directory, fmt::format("store{}", number++), file.opened);
    return std::pair(path, FileOf(path, file.beginning, file.end));
  };
  for (const File& file : {File{"CURRENT", "", 1}, File{"MANIFEST", "", 1}, File{"", ".log", 0}, File{"", ".sst", 1}}) {
    const auto [flipped, flipped_file] = make(file);
    FlipBit(flipped_file, *FileSize(flipped_file) / 2);
    ExpectDamaged(flipped, "flipped: " + flipped_file);
    if (std::string_view(file.end) == ".log") continue;  // empty or missing, it looks like one that was never written
    const auto [emptied, emptied_file] = make(file);
    std::filesystem::resize_file(emptied_file, 0);
    ExpectDamaged(emptied, "emptied: " + emptied_file);
    const auto [missing, missing_file] = make(file);
    std::filesystem::remove(missing_file);
    ExpectDamaged(missing, "missing: " + missing_file);
  }
}

TEST(KvStoreTest, DamageInTheLogCostsTheRecordsBesideItAndNothingElse) {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const auto key = [](int i) { return fmt::format("line/{:06}", i); };
  constexpr int kLines = 20'000;
  const auto write = [&](KvStore& store, int from, int to) {
    for (int i = from; i < to;) {
      KvBatch batch;
      for (const int end = i + 500; i < end; ++i) batch.Put(key(i), std::string(200, 'l'));
      batch.Put("newest", key(i - 1));
      ASSERT_OK(store.Commit(batch));
    }
  };
  {
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path, "line/"));
    write(*store, 0, kLines);
  }
  const std::string table = FileOf(path, "", ".sst");
  FlipBit(table, *FileSize(table) / 2);
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path, "line/"));
  write(*store, kLines, 2 * kLines);  // however much comes, the damaged file is in nobody's way
  EXPECT_EQ(store->Get("newest").value(), key(2 * kLines - 1));
  int lost = 0;
  for (int i = 0; i < 2 * kLines; ++i) {
    const auto value = store->Get(key(i));
    if (value.ok()) continue;
    EXPECT_THAT(value, StatusIs(Code::kDataLoss, HasSubstr(path)));
    ++lost;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, 50) << "one block";
}

TEST(KvStoreTest, ABatchTornAtTheEndOfTheLogIsDroppedAndTheOnesBeforeStay) {
  const TempDirectory directory;
  const std::string path = SomeDatabase(directory, "store", 0);
  const std::string log = FileOf(path, "", ".log");
  std::filesystem::resize_file(log, *FileSize(log) - 100);
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path));
  EXPECT_EQ(RecordsOf(*store).size(), 9u);
  EXPECT_OK(Put(*store, "key9", "again"));
}

TEST(KvStoreTest, AFileInPlaceOfTheDirectoryIsRefused) {
  const TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "file", "x"));
  EXPECT_THAT(KvStore::Open(directory / "file"), StatusIs(Code::kNotFound, HasSubstr(directory / "file")));
  EXPECT_EQ(*ReadFile(directory / "file"), "x");
}

TEST(KvStoreTest, AFullDiskStopsCommitsNotReadsAndHealsByItself) {
  const TempDirectory directory;
  const SmallDisk disk(directory / "disk", "2m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  const std::string path = directory / "disk/store";
  ASSERT_OK_AND_ASSIGN(auto store, KvStore::Open(path));
  const auto commit = [&](int i) {
    KvBatch batch;
    batch.Put(fmt::format("{:04}/first", i), std::string(50'000, 'x'));
    batch.Put(fmt::format("{:04}/second", i), "y");
    return store->Commit(batch);
  };
  int committed = 0;
  Status status;
  while (committed < 200 && (status = commit(committed)).ok()) ++committed;
  const auto full = StatusIs(Code::kResourceExhausted, HasSubstr(path));
  ASSERT_THAT(status, full);
  ASSERT_GT(committed, 3);
  const auto expect_all = [&] {
    EXPECT_EQ(RecordsOf(*store).size(), 2 * static_cast<std::size_t>(committed));
    EXPECT_EQ(store->Get(fmt::format("{:04}/second", committed - 1)).value(), "y");
    EXPECT_THAT(store->Get(fmt::format("{:04}/second", committed)), StatusIs(Code::kNotFound));
  };
  expect_all();
  // Opening it again may write what is in the log to a smaller place, and so make room for some more.
  for (int again = 0; again < 3; ++again) {
    status = commit(committed);
    if (status.ok()) {
      ++committed;
    } else {
      EXPECT_THAT(status, full);
    }
  }
  expect_all();
  EXPECT_THAT(KvStore::Open(path), StatusIs(Code::kUnavailable));  // still ours
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, KvStore::Open(path));  // a restart reads all of it
  expect_all();

  disk.Grow("16m");
  for (int more = 0; more < 5; ++more) {
    ASSERT_OK(commit(committed));
    ++committed;
    expect_all();
  }
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, KvStore::Open(path));
  expect_all();
}

// These cases need faults and threads of their own, so each is a new run of this binary (GoogleTest's threadsafe
// style).
class KvStoreDeathTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override { unsetenv(kPathVariable); }

  static constexpr char kPathVariable[] = "STILL_TEST_STORE";
};

// Commits records until another thread kills the process, which it does once the wanted number is acknowledged.
// "<path>.acknowledged" has one byte per commit.
[[noreturn]] void CommitUntilKilled(const std::string& path, int wanted) {
  const auto store = KvStore::Open(path).value();
  std::ofstream acknowledged(path + ".acknowledged");
  std::atomic<int> commits = 0;
  std::thread killer([&] {
    while (commits < wanted) std::this_thread::yield();
    std::raise(SIGKILL);
  });
  while (true) {
    const std::string number = fmt::format("{:06}", commits + 1);
    KvBatch batch;
    batch.Put("last", number);
    batch.Put("record/" + number, std::string(20'000, 'r'));
    if (!store->Commit(batch).ok()) std::exit(1);
    acknowledged << '.' << std::flush;
    ++commits;
  }
}

TEST_P(KvStoreDeathTest, TheStoreSurvivesAKillAtAnyInstant) {
  std::optional<TempDirectory> directory;
  if (std::getenv(kPathVariable) == nullptr) {  // the new run finds it set
    directory.emplace();
    setenv(kPathVariable, (*directory / "store").c_str(), 1);
  }
  const std::string path = std::getenv(kPathVariable);
  EXPECT_EXIT(CommitUntilKilled(path, GetParam()), ::testing::KilledBySignal(SIGKILL), "");
  ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path));
  const auto last = store->Get("last");
  const std::uint64_t count = last.ok() ? std::stoul(*last) : 0;
  EXPECT_GE(count, static_cast<std::uint64_t>(GetParam()));
  EXPECT_GE(count, *FileSize(path + ".acknowledged"));
  EXPECT_EQ(RecordsOf(*store, "record/").size(), count);
  EXPECT_OK(store->Get(fmt::format("record/{:06}", count)));
  EXPECT_OK(Put(*store, "more", ""));
  EXPECT_THAT(*ListDirectory(directory->path()), ElementsAre("store", "store.acknowledged"));
}

INSTANTIATE_TEST_SUITE_P(AfterSoManyCommits, KvStoreDeathTest, ::testing::Values(1, 2, 3, 10, 120));

[[noreturn]] void FailOneCommitThenGoOn() {
  const TempDirectory directory;
  const auto store = KvStore::Open(directory / "store").value();
  if (!ArmFaults("*:2:kv.commit:enospc").ok() || !Put(*store, "a", "1").ok()) std::exit(1);
  const Status failed = Put(*store, "b", "2");
  const bool absent = store->Get("b").status().code() == Code::kNotFound;
  const bool healed = Put(*store, "b", "2").ok() && store->Get("b").ok();
  std::filesystem::remove_all(directory.path());
  std::exit(failed.code() == Code::kResourceExhausted && absent && healed ? 0 : 2);
}

TEST(KvStoreFaultDeathTest, AFailedCommitLeavesNothingAndTheNextOneWorks) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(FailOneCommitThenGoOn(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace still
