#include "coordinator/launch/job_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using testing::EqualsMessage;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

v1::CheckpointManifest ManifestOf(std::uint64_t step, std::uint64_t generation = 1) {
  return testing::ManifestOf(testing::InfoOf(step, generation), {testing::PartOf(0, 12, "d")});
}

v1::GenerationEnd EndOf(std::uint64_t generation) {
  v1::GenerationEnd end;
  end.set_generation(generation);
  return end;
}

std::vector<std::uint64_t> StepsOf(const std::vector<v1::CheckpointManifest>& manifests) {
  std::vector<std::uint64_t> steps;
  for (const v1::CheckpointManifest& manifest : manifests) steps.push_back(manifest.info().step());
  return steps;
}

class JobJournalTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    journal_.reset();
    auto opened = JobJournal::Open(path_);
    ASSERT_OK(opened);
    journal_ = std::move(opened).value();
  }
  // Publishes a checkpoint and returns the steps that retire with it.
  std::vector<std::uint64_t> Publish(std::uint64_t step, CheckpointRetention retention = {}) {
    const auto retired = journal_->Publish(ManifestOf(step), retention);
    EXPECT_OK(retired);
    return retired.ok() ? StepsOf(*retired) : std::vector<std::uint64_t>{};
  }
  std::vector<std::uint64_t> Steps() const { return StepsOf(journal_->Manifests().value()); }
  // Writes a record behind the back of the journal.
  void Damage(const std::string& key, const std::string& value) {
    journal_.reset();
    ASSERT_OK_AND_ASSIGN(const auto store, KvStore::Open(path_));
    KvBatch batch;
    batch.Put(key, value);
    ASSERT_OK(store->Commit(batch));
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_ / "jobs/student-abc/journal";
  std::unique_ptr<JobJournal> journal_;
};

TEST_F(JobJournalTest, GenerationsRiseAcrossProcesses) {
  EXPECT_EQ(journal_->Generation().value(), 0u);
  EXPECT_EQ(journal_->NextGeneration().value(), 1u);
  EXPECT_EQ(journal_->NextGeneration().value(), 2u);
  Reopen();
  EXPECT_EQ(journal_->Generation().value(), 2u);
  EXPECT_EQ(journal_->NextGeneration().value(), 3u);
}

TEST_F(JobJournalTest, OneProcessAtATime) { EXPECT_THAT(JobJournal::Open(path_), StatusIs(Code::kUnavailable)); }

TEST_F(JobJournalTest, PublishedCheckpointsComeNewestFirstAndWhole) {
  Publish(10);
  Publish(20);
  Reopen();
  ASSERT_OK_AND_ASSIGN(const auto manifests, journal_->Manifests());
  EXPECT_THAT(manifests, ElementsAre(EqualsMessage(ManifestOf(20)), EqualsMessage(ManifestOf(10))));
}

TEST_F(JobJournalTest, NewestAreKeptAndEveryNth) {
  const CheckpointRetention retention{.keep_last = 2, .keep_every = 30};
  EXPECT_THAT(Publish(10, retention), IsEmpty());
  EXPECT_THAT(Publish(20, retention), IsEmpty());
  EXPECT_THAT(Publish(30, retention), ElementsAre(10));
  EXPECT_THAT(Publish(40, retention), ElementsAre(20));
  EXPECT_THAT(Publish(50, retention), IsEmpty()) << "30 is kept for good";
  EXPECT_THAT(Steps(), ElementsAre(50, 40, 30));
  EXPECT_THAT(Publish(60, {.keep_last = 1}), ElementsAre(30, 40, 50)) << "another run may want fewer";
}

TEST_F(JobJournalTest, FirstPublishOfAStepWins) {
  Publish(10);
  ASSERT_OK_AND_ASSIGN(const auto retired, journal_->Publish(ManifestOf(10, 7), {.keep_last = 1}));
  EXPECT_THAT(retired, IsEmpty());
  EXPECT_THAT(journal_->Manifests().value(), ElementsAre(EqualsMessage(ManifestOf(10, 1))));
}

TEST_F(JobJournalTest, PublishOfAnOlderStepRetiresNothingOfItself) {
  Publish(30);
  Publish(40);
  EXPECT_THAT(Publish(20), IsEmpty());
  EXPECT_THAT(Steps(), ElementsAre(40, 30, 20));
  EXPECT_THAT(Publish(50), ElementsAre(20, 30));
}

TEST_F(JobJournalTest, DroppedCheckpointMakesRoomForAnother) {
  Publish(10);
  EXPECT_OK(journal_->Drop(10, 9));
  EXPECT_THAT(Steps(), ElementsAre(10)) << "of another generation";
  EXPECT_OK(journal_->Drop(10, 1));
  EXPECT_OK(journal_->Drop(10, 1));
  EXPECT_OK(journal_->Drop(77, 1));
  EXPECT_THAT(Steps(), IsEmpty());
  EXPECT_OK(journal_->Publish(ManifestOf(10, 7), {}));
  EXPECT_THAT(journal_->Manifests().value(), ElementsAre(EqualsMessage(ManifestOf(10, 7))));
}

TEST_F(JobJournalTest, EndsAreReadInOrderWithAllTheirFields) {
  v1::GenerationEnd shrunk = EndOf(1);
  shrunk.set_code(v1::CODE_UNAVAILABLE);
  shrunk.mutable_death()->add_ranks(2);
  shrunk.mutable_death()->set_cause(v1::DEATH_CAUSE_DIED);
  shrunk.set_step(17);
  shrunk.set_seconds(12.5);
  shrunk.set_in_place(true);
  v1::GenerationEnd ended = EndOf(2);
  ended.set_why("a\nb");
  ASSERT_OK(journal_->NextGeneration());
  EXPECT_EQ(journal_->NextGeneration(shrunk).value(), 2u);
  EXPECT_OK(journal_->RecordEnd(ended));
  EXPECT_OK(journal_->RecordEnd(EndOf(1))) << "the first record stays";
  Reopen();
  ASSERT_OK_AND_ASSIGN(const auto ends, journal_->Ends());
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].SerializeAsString(), shrunk.SerializeAsString());
  EXPECT_EQ(ends[1].SerializeAsString(), ended.SerializeAsString());
}

TEST_F(JobJournalTest, ManyGenerationsStayInTheOrderOfTheirNumbers) {
  for (std::uint64_t generation = 1; generation <= 12; ++generation) ASSERT_OK(journal_->RecordEnd(EndOf(generation)));
  ASSERT_OK_AND_ASSIGN(const auto ends, journal_->Ends());
  for (std::size_t i = 0; i < ends.size(); ++i) EXPECT_EQ(ends[i].generation(), i + 1);
}

TEST_F(JobJournalTest, BytesThatAreNoUtf8StayAsTheyAre) {
  v1::GenerationEnd end = EndOf(1);
  end.set_why("log: \xff\xfe");
  ASSERT_OK(journal_->RecordEnd(end));
  EXPECT_EQ(journal_->Ends().value()[0].why(), end.why());
}

TEST_F(JobJournalTest, DamagedRecordsAreNamedAndNothingIsGuessed) {
  Damage("generation", "12x");
  EXPECT_THAT(JobJournal::Open(path_), StatusIs(Code::kDataLoss, HasSubstr(path_)));
  Damage("generation", "12");
  Damage("manifest/00000000000000000010", "{}");
  EXPECT_THAT(JobJournal::Open(path_), StatusIs(Code::kDataLoss, HasSubstr("manifest/00000000000000000010")));
}

TEST_F(JobJournalTest, AnEndThatIsNoMessageIsDamage) {
  Damage("end/00000000000000000001", "{}");
  EXPECT_THAT(JobJournal::Open(path_), StatusIs(Code::kDataLoss, HasSubstr("end/00000000000000000001")));
}

// A store on a full disk.
class FullStore : public KvStore {
 public:
  Status Commit(const KvBatch&) override { return Error(Code::kResourceExhausted, "disk full"); }
  Result<std::string> Get(std::string_view) const override { return Error(Code::kNotFound, "none"); }
  Status ForEach(std::string_view, const std::function<Status(std::string_view, std::string_view)>&) const override {
    return Ok();
  }
};

TEST(JobJournalOnAFullDiskTest, NothingIsPromised) {
  JobJournal journal("full", std::make_unique<FullStore>());
  EXPECT_THAT(journal.NextGeneration(), StatusIs(Code::kResourceExhausted));
  EXPECT_THAT(journal.Publish(ManifestOf(10), {}), StatusIs(Code::kResourceExhausted));
  EXPECT_THAT(journal.RecordEnd(EndOf(1)), StatusIs(Code::kResourceExhausted));
}

}  // namespace
}  // namespace still::coordinator
