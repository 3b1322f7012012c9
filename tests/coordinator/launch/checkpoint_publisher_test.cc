#include "coordinator/launch/checkpoint_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/host_name.h"
#include "common/storage/files.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/memory_kv_store.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using testing::EqualsMessage;
using ::testing::IsEmpty;
using testing::MemoryDisk;
using testing::MemoryKvStore;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

class CheckpointPublisherTest : public ::testing::Test {
 protected:
  std::string Path(std::uint64_t step, std::uint64_t generation = 1) const {
    return CheckpointPath(checkpoints_, step, generation);
  }
  // Writes a checkpoint as workers leave it: with parts and without a manifest.
  v1::CheckpointManifest Write(std::uint64_t step, std::uint64_t generation = 1) {
    EXPECT_OK(MakeDirectories(Path(step, generation)));
    EXPECT_OK(WriteFileAtomically(JoinPath(Path(step, generation), PartFile(0)), "tensors"));
    return testing::ManifestOf(testing::InfoOf(step, generation), {testing::PartOf(0, 7, "d")});
  }
  std::vector<std::string> Directories() const {
    return Exists(checkpoints_) ? ListDirectory(checkpoints_).value() : std::vector<std::string>{};
  }

  testing::TempDirectory directory_;
  const std::string checkpoints_ = directory_ / "checkpoints/abc";
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  JobJournal journal_{"journal", std::make_unique<MemoryKvStore>(disk_)};
  CheckpointPublisher publisher_{journal_, checkpoints_, {.keep_last = 2}};
};

TEST_F(CheckpointPublisherTest, PublishedIsInTheJournalAndBesideItsParts) {
  const v1::CheckpointManifest manifest = Write(10);
  publisher_.Add(manifest);
  EXPECT_TRUE(publisher_.waiting());
  EXPECT_THAT(publisher_.PublishWaiting(), ElementsAre(10));
  EXPECT_FALSE(publisher_.waiting());
  EXPECT_OK(publisher_.trouble());
  EXPECT_THAT(journal_.Manifests().value(), ElementsAre(EqualsMessage(manifest)));
  EXPECT_THAT(ReadManifest(Path(10)).value(), EqualsMessage(manifest));
}

TEST_F(CheckpointPublisherTest, RetiredAndUnfinishedOnesAreRemovedNewerAndQuarantinedOnesStay) {
  for (const std::uint64_t step : {10, 20}) publisher_.Add(Write(step));
  publisher_.PublishWaiting();
  Write(25, 1);  // its generation died
  Write(40, 2);  // not complete yet
  ASSERT_OK(MakeDirectories(Path(15) + ".bad"));
  ASSERT_OK(WriteFileAtomically(JoinPath(checkpoints_, "training.jsonl"), "{}\n"));
  publisher_.Add(Write(30, 2));
  publisher_.PublishWaiting();
  EXPECT_THAT(Directories(), UnorderedElementsAre("step-00000020.g1", "step-00000030.g2", "step-00000040.g2",
                                                  "step-00000015.g1.bad", "training.jsonl"));
}

TEST_F(CheckpointPublisherTest, FullDiskKeepsTheNewestWaitingUntilThereIsSpace) {
  disk_->full = true;
  publisher_.Add(Write(10));
  EXPECT_THAT(publisher_.PublishWaiting(), IsEmpty());
  EXPECT_THAT(publisher_.trouble(), StatusIs(Code::kResourceExhausted));
  publisher_.Add(Write(20));
  publisher_.Add(Write(30));
  EXPECT_FALSE(Exists(Path(10))) << "it was dropped to make room";
  EXPECT_THAT(publisher_.PublishWaiting(), IsEmpty());
  EXPECT_FALSE(Exists(JoinPath(Path(30), kManifestFile)));

  disk_->full = false;
  EXPECT_THAT(publisher_.PublishWaiting(), ElementsAre(20, 30));
  EXPECT_OK(publisher_.trouble());
  EXPECT_EQ(journal_.Manifests().value().size(), 2u);
}

TEST_F(CheckpointPublisherTest, FirstCheckpointOfAStepStaysAndTheOtherIsRemoved) {
  publisher_.Add(Write(10, 1));
  publisher_.PublishWaiting();
  publisher_.Add(Write(10, 2));
  EXPECT_THAT(publisher_.PublishWaiting(), ElementsAre(10)) << "the step is published, by another generation";
  EXPECT_EQ(journal_.Manifests().value()[0].info().generation(), 1u);
  EXPECT_THAT(Directories(), ElementsAre("step-00000010.g1"));
}

TEST_F(CheckpointPublisherTest, ACheckpointThatWasSetAsideIsReplaced) {
  publisher_.Add(Write(10, 1));
  publisher_.PublishWaiting();
  ASSERT_OK(RemoveAll(Path(10, 1)));
  publisher_.Add(Write(10, 2));
  EXPECT_THAT(publisher_.PublishWaiting(), ElementsAre(10));
  EXPECT_EQ(journal_.Manifests().value()[0].info().generation(), 2u);
}

TEST_F(CheckpointPublisherTest, LostManifestCopyDoesNotMatter) {
  const v1::CheckpointManifest manifest = Write(10);
  ASSERT_OK(RemoveAll(Path(10)));
  ASSERT_OK(WriteFileAtomically(Path(10), "a file where the directory should be"));
  publisher_.Add(manifest);
  EXPECT_THAT(publisher_.PublishWaiting(), ElementsAre(10));
  EXPECT_THAT(journal_.Manifests().value(), ElementsAre(EqualsMessage(manifest)));
}

TEST_F(CheckpointPublisherTest, ReconcileBringsJournalAndDirectoriesTogether) {
  for (const std::uint64_t step : {10, 20}) publisher_.Add(Write(step));
  publisher_.PublishWaiting();
  ASSERT_OK(RemoveAll(Path(20)));  // as a user might, or a worker that sets it aside as damaged
  Write(20, 3);
  Write(90, 3);
  ASSERT_OK(MakeDirectories(Path(90, 3) + ".bad"));
  ASSERT_OK(WriteFileAtomically(fmt::format("{}/{}.tmp-{}-999999999", Path(10), kManifestFile, HostName()), "torn"));
  ASSERT_OK_AND_ASSIGN(const auto present, publisher_.Reconcile());
  ASSERT_EQ(present.size(), 1u);
  EXPECT_EQ(present[0].info().step(), 10u);
  EXPECT_THAT(journal_.Manifests().value(), ElementsAre(EqualsMessage(present[0])));
  EXPECT_THAT(Directories(), UnorderedElementsAre("step-00000010.g1", "step-00000090.g3.bad"));
  EXPECT_THAT(ListDirectory(Path(10)).value(), UnorderedElementsAre(PartFile(0), kManifestFile));
}

TEST_F(CheckpointPublisherTest, ReconcileKeepsWhatWaits) {
  disk_->full = true;
  publisher_.Add(Write(10));
  publisher_.PublishWaiting();
  EXPECT_THAT(publisher_.Reconcile().value(), IsEmpty());
  EXPECT_TRUE(Exists(Path(10)));
}

TEST_F(CheckpointPublisherTest, ReconcileWorksWithoutCheckpoints) {
  EXPECT_THAT(publisher_.Reconcile().value(), IsEmpty());
}

}  // namespace
}  // namespace still::coordinator
