// The coordinator's journal: what it stores, what a query reads, and which journals it refuses.
#include "coordinator/daemon/journal.h"

#include <gmock/gmock.h>

#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/transaction.h"
#include "tests/testing/memory_kv_store.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TempDirectory;
using v1::HistoryEvent;

v1::Job JobOf(std::uint64_t id) {
  v1::Job job;
  job.set_id(id);
  job.set_state(v1::JOB_PENDING);
  job.mutable_spec()->set_name(fmt::format("job-{}", id));
  job.mutable_spec()->set_identity("lines");
  job.mutable_spec()->mutable_config()->set_name("demo");
  return job;
}

std::vector<std::uint64_t> Sequences(const Result<std::vector<HistoryEvent>>& events) {
  EXPECT_OK(events.status());
  std::vector<std::uint64_t> sequences;
  for (const HistoryEvent& event : *events) sequences.push_back(event.sequence());
  return sequences;
}

class JournalTest : public ::testing::Test {
 protected:
  // Writes jobs 1 and 2 with events 1 and 2, then `notes` events of job 1, job 2, a host, job 1, job 2, a host ...
  void Write(int notes) {
    Transaction coming(state_, 1000);
    for (const std::uint64_t id : {1, 2}) coming.Add(JobOf(id), "alice");
    Commit(std::move(coming).TakeChanges());
    Transaction transaction(state_, 2000);
    for (int i = 0; i < notes; ++i) {
      if (i % 3 == 2) {
        transaction.RecordHost("a", "alice", "drained");
      } else {
        transaction.Record(static_cast<std::uint64_t>(i % 3 + 1), v1::CAUSE_USER, "alice", "noted");
      }
    }
    Commit(std::move(transaction).TakeChanges());
  }
  void Commit(Changes changes) {
    state_.Apply(changes);
    ASSERT_OK(journal_.Commit({changes}));
  }

  std::shared_ptr<testing::MemoryDisk> disk_ = std::make_shared<testing::MemoryDisk>();
  Journal journal_{"journal", std::make_unique<testing::MemoryKvStore>(disk_)};
  State state_;
};

TEST_F(JournalTest, EventsAreTheNewestOnesOfOneJobOrOfAll) {
  Write(9);
  EXPECT_THAT(Sequences(journal_.Events(0, 0, 100)), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(Sequences(journal_.Events(0, 0, 3)), ElementsAre(9, 10, 11));
  EXPECT_THAT(Sequences(journal_.Events(9, 0, 100)), ElementsAre(10, 11));
  EXPECT_THAT(Sequences(journal_.Events(0, 1, 100)), ElementsAre(1, 3, 6, 9));
  EXPECT_THAT(Sequences(journal_.Events(0, 2, 2)), ElementsAre(7, 10));
  EXPECT_THAT(Sequences(journal_.Events(4, 1, 100)), ElementsAre(6, 9));
  EXPECT_THAT(Sequences(journal_.Events(11, 0, 100)), ElementsAre());
  EXPECT_THAT(Sequences(journal_.Events(0, 7, 100)), ElementsAre()) << "there is no job 7";
}

TEST_F(JournalTest, OneEventStandsForARunOfDamagedOnes) {
  Write(9);
  for (const std::uint64_t damaged : {5, 6, 7}) disk_->records[fmt::format("history/{:020}", damaged)] = "garbage";
  EXPECT_THAT(Sequences(journal_.Events(0, 0, 100)), ElementsAre(1, 2, 3, 4, 7, 8, 9, 10, 11));
  const auto of_one = journal_.Events(0, 1, 100);
  EXPECT_THAT(Sequences(of_one), ElementsAre(1, 3, 6, 9));
  EXPECT_THAT(of_one->at(2).message(), HasSubstr("damaged"));
  ASSERT_OK_AND_ASSIGN(const State state, journal_.Load());
  EXPECT_EQ(state.next_sequence(), 12u);
}

TEST_F(JournalTest, ASpecificationIsReadOnlyOnRequest) {
  Write(0);
  ASSERT_OK_AND_ASSIGN(const State state, journal_.Load());
  EXPECT_EQ(state.FindJob(1)->spec().identity(), "");
  EXPECT_EQ(journal_.Spec(1)->identity(), "lines");
  EXPECT_THAT(journal_.Spec(3), StatusIs(Code::kNotFound));
  disk_->records[fmt::format("spec/{:020}", 1)] = "garbage";
  EXPECT_THAT(journal_.Spec(1), StatusIs(Code::kDataLoss));
  EXPECT_OK(journal_.Load());
}

TEST(JournalFormatTest, AJournalOfAnotherVersionIsRefusedAndNotChanged) {
  for (const char* format : {"", "1", "3"}) {
    const TempDirectory directory;
    const std::string path = directory / "journal";
    {
      ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path, "history/"));
      KvBatch batch;
      batch.Put(fmt::format("job/{:020}", 1), JobOf(1).SerializeAsString());
      if (*format != '\0') batch.Put("format", format);
      ASSERT_OK(store->Commit(batch));
    }
    EXPECT_THAT(Journal::Open(path).status(), StatusIs(Code::kInvalidArgument)) << format;
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path, "history/"));
    EXPECT_OK(store->Get(fmt::format("job/{:020}", 1)).status());
  }
}

TEST(JournalFormatTest, AJournalOfThisVersionOpensAgain) {
  const TempDirectory directory;
  const std::string path = directory / "journal";
  for (int opened = 0; opened < 2; ++opened) {
    ASSERT_OK_AND_ASSIGN(const auto journal, Journal::Open(path));
    EXPECT_EQ(journal->Identity("first").value(), "first");
  }
}

}  // namespace
}  // namespace still::coordinator
