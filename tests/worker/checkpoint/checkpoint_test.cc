// Saving and continuing, without a trainer: parts on disk, snapshots in memory, the background writer, the schedule.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "common/random.h"
#include "common/storage/files.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/small_disk.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/checkpoint/background_writer.h"
#include "worker/checkpoint/memory_snapshot.h"
#include "worker/checkpoint/schedule.h"
#include "worker/checkpoint/training_state.h"

namespace still::worker {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;
using testing::TempDirectory;

constexpr std::size_t kWide = 600'000;  // several blocks of a snapshot
const std::vector<ParameterInfo> kLayout = {{.name = "wide", .shape = {600, 1000}, .offset = 0, .size = kWide},
                                            {.name = "narrow", .shape = {7}, .offset = kWide, .size = 7}};

class State final : public LiveState {
 public:
  explicit State(std::uint64_t seed) {
    for (std::vector<float>* buffer : {&weights, &first, &second}) {
      KeyedRandom random(MixKey({seed, buffer == &weights ? 0U : buffer == &first ? 1U : 2U}));
      buffer->resize(kWide + 7);
      for (float& value : *buffer) value = static_cast<float>(random.NextUnit());
    }
  }
  LiveState& live() { return *this; }
  std::size_t floats() const override { return weights.size(); }
  void Read(StateBuffer buffer, std::size_t begin, std::span<float> out) const override {
    std::copy_n(BufferOf(buffer).begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
  }
  void Write(StateBuffer buffer, std::size_t begin, std::span<const float> values) override {
    std::vector<float>& to = const_cast<std::vector<float>&>(BufferOf(buffer));
    std::ranges::copy(values, to.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  bool operator==(const TrainingState& other) const {
    return weights == other.weights && first == other.first_moment && second == other.second_moment;
  }
  std::vector<float> weights, first, second;

 private:
  const std::vector<float>& BufferOf(StateBuffer buffer) const {
    return buffer == StateBuffer::kWeights ? weights : buffer == StateBuffer::kFirstMoment ? first : second;
  }
};

v1::CheckpointInfo InfoOf(std::uint64_t step) { return testing::InfoOf(step, 3); }

WriteOutcome WaitFor(BackgroundWriter& writer) {
  while (true) {
    if (auto outcome = writer.TakeOutcome()) return *outcome;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Writes a checkpoint as `ranks` ranks would.
v1::CheckpointManifest Write(const std::string& directory, State& state, std::uint64_t step, int ranks) {
  v1::CheckpointManifest manifest = testing::ManifestOf(InfoOf(step), {});
  for (int rank = 0; rank < ranks; ++rank) {
    BackgroundWriter writer(directory, kLayout);
    writer.Begin(manifest.info(), state.live(), rank, ranks);
    const WriteOutcome outcome = WaitFor(writer);
    EXPECT_OK(outcome.share);
    EXPECT_EQ(outcome.share->ranks(), static_cast<std::uint32_t>(ranks));
    manifest.mutable_parts()->MergeFrom(outcome.share->parts());
  }
  return manifest;
}

TEST(TrainingStateTest, AnyNumberOfRanksWritesTheSameCheckpointAndItIsReadBack) {
  State state(1);
  for (const int ranks : {1, 3}) {
    const TempDirectory directory;
    const v1::CheckpointManifest manifest = Write(directory.path(), state, 7, ranks);
    EXPECT_EQ(static_cast<std::size_t>(manifest.parts_size()), CutIntoParts(kLayout).size());
    ASSERT_OK_AND_ASSIGN(const TrainingState read,
                         LoadCheckpoint(CheckpointPath(directory.path(), 7, 3), manifest, "abc", kLayout));
    EXPECT_TRUE(state == read);
    EXPECT_THAT(read.info, testing::EqualsMessage(manifest.info()));
  }
}

TEST(TrainingStateTest, DamageAndForeignCheckpointsAreNamed) {
  State state(1);
  const TempDirectory directory;
  const v1::CheckpointManifest manifest = Write(directory.path(), state, 7, 1);
  const std::string path = CheckpointPath(directory.path(), 7, 3);
  EXPECT_THAT(LoadCheckpoint(path, manifest, "other", kLayout), StatusIs(Code::kDataLoss, HasSubstr("belongs to abc")));
  std::filesystem::resize_file(JoinPath(path, PartFile(0)), 1000);
  EXPECT_THAT(LoadCheckpoint(path, manifest, "abc", kLayout), StatusIs(Code::kDataLoss, HasSubstr(PartFile(0))));
  std::filesystem::remove(JoinPath(path, PartFile(0)));
  EXPECT_FALSE(LoadCheckpoint(path, manifest, "abc", kLayout).ok());
  ASSERT_OK(Quarantine(path));
  EXPECT_TRUE(Exists(path + ".bad"));
  EXPECT_OK(Quarantine(path)) << "it is gone already";
}

TEST(TrainingStateTest, PartsCoverEveryParameterOnceAndBigModelsHaveSeveral) {
  std::vector<ParameterInfo> layout;
  std::int64_t offset = 0;
  for (int i = 0; i < 9; ++i) {
    layout.push_back({.name = std::to_string(i), .shape = {2 << 20}, .offset = offset, .size = 2 << 20});
    offset += 2 << 20;
  }
  const std::vector<PartRange> parts = CutIntoParts(layout);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts.front().first, 0U);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    EXPECT_EQ(parts[i].first, parts[i - 1].last);
    EXPECT_EQ(parts[i].begin, parts[i - 1].end);
  }
  EXPECT_EQ(parts.back().last, layout.size());
  EXPECT_EQ(parts.back().end, static_cast<std::size_t>(offset));
}

TEST(TrainingStateTest, StatesThatDifferHaveDifferentSamplesSoonerOrLater) {
  State state(1), other(1);
  EXPECT_EQ(SampleDigest(state.live(), 9), SampleDigest(other.live(), 9));
  other.second[kWide / 3] += 1;
  int found = 0;
  for (std::uint64_t step = 100; step < 1124; ++step)
    found += SampleDigest(state.live(), step) != SampleDigest(other.live(), step) ? 1 : 0;
  EXPECT_GE(found, 1);
}

TEST(BackgroundWriterTest, AFailedWriteIsReportedAndTheNextOneWorks) {
  State state(2);
  const TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(CheckpointPath(directory.path(), 4, 3), "in the way"));
  BackgroundWriter writer(directory.path(), kLayout);
  writer.Begin(InfoOf(4), state.live(), 0, 1);
  EXPECT_TRUE(writer.busy());
  EXPECT_FALSE(WaitFor(writer).share.ok());
  EXPECT_FALSE(writer.busy());
  writer.Begin(InfoOf(5), state.live(), 0, 1);
  EXPECT_OK(WaitFor(writer).share);
}

TEST(BackgroundWriterTest, TheCopyIsWrittenWhateverTrainingDoesMeanwhile) {
  State state(3);
  const State copy = state;
  const TempDirectory directory;
  BackgroundWriter writer(directory.path(), kLayout);
  writer.Begin(InfoOf(4), state.live(), 0, 1);
  std::ranges::fill(state.weights, -1.0F);
  const WriteOutcome outcome = WaitFor(writer);
  ASSERT_OK(outcome.share);
  v1::CheckpointManifest manifest = testing::ManifestOf(InfoOf(4), {});
  *manifest.mutable_parts() = outcome.share->parts();
  ASSERT_OK_AND_ASSIGN(const TrainingState read,
                       LoadCheckpoint(CheckpointPath(directory.path(), 4, 3), manifest, "abc", kLayout));
  EXPECT_TRUE(copy == read);
}

// A snapshot as `ranks` ranks of a host take it.
void Snap(const std::string& directory, State& state, std::uint64_t step, int ranks) {
  for (int rank = ranks - 1; rank >= 0; --rank) {
    MemorySnapshot snapshot(directory, "job", "abc", kWide + 7);
    ASSERT_OK(snapshot.Write(InfoOf(step), state.live(), {rank, ranks}));
  }
}

TEST(MemorySnapshotTest, TheNewestStepIsReadBackWhateverTheNumberOfRanks) {
  const TempDirectory directory;
  State older(1), newer(2);
  Snap(directory.path(), older, 6, 1);
  Snap(directory.path(), newer, 7, 3);
  const MemorySnapshot snapshot(directory.path(), "job", "abc", kWide + 7);
  EXPECT_EQ(snapshot.ClaimedStep(), 7U);
  ASSERT_OK_AND_ASSIGN(const TrainingState read, snapshot.Load());
  EXPECT_TRUE(newer == read);
  EXPECT_THAT(read.info, testing::EqualsMessage(InfoOf(7)));
}

TEST(MemorySnapshotTest, ASlotThatOneRankDidNotFinishIsSkipped) {
  const TempDirectory directory;
  State older(1), newer(2);
  Snap(directory.path(), older, 6, 2);
  MemorySnapshot first_rank(directory.path(), "job", "abc", kWide + 7);
  ASSERT_OK(first_rank.Write(InfoOf(7), newer.live(), {0, 2}));  // the second one died
  const MemorySnapshot snapshot(directory.path(), "job", "abc", kWide + 7);
  EXPECT_EQ(snapshot.ClaimedStep(), 7U) << "a claim is not yet checked";
  ASSERT_OK_AND_ASSIGN(const TrainingState read, snapshot.Load());
  EXPECT_TRUE(older == read);
}

TEST(MemorySnapshotTest, AFlippedBitAnywhereInTheDataIsFound) {
  const TempDirectory directory;
  State state(1);
  Snap(directory.path(), state, 6, 1);
  const std::string path = JoinPath(directory.path(), ListDirectory(directory.path())->front());
  for (const std::size_t at : {std::size_t{8192}, std::size_t{2'200'000}, std::size_t{4'000'000}}) {
    std::string bytes = *ReadFile(path);
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    ASSERT_OK(WriteFileAtomically(path, bytes));
    EXPECT_THAT(MemorySnapshot(directory.path(), "job", "abc", kWide + 7).Load(), StatusIs(Code::kDataLoss));
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    ASSERT_OK(WriteFileAtomically(path, bytes));
    EXPECT_OK(MemorySnapshot(directory.path(), "job", "abc", kWide + 7).Load());
  }
}

TEST(MemorySnapshotTest, SnapshotsOfAnotherJobOrModelAreIgnored) {
  const TempDirectory directory;
  State state(1);
  Snap(directory.path(), state, 6, 1);
  EXPECT_EQ(MemorySnapshot(directory.path(), "job", "abd", kWide + 7).ClaimedStep(), std::nullopt);
  EXPECT_EQ(MemorySnapshot(directory.path(), "job", "abc", kWide).ClaimedStep(), std::nullopt);
  EXPECT_EQ(MemorySnapshot(directory.path(), "another job", "abc", kWide + 7).ClaimedStep(), std::nullopt);
  EXPECT_EQ(MemorySnapshot("", "job", "abc", kWide + 7).ClaimedStep(), std::nullopt);
  MemorySnapshot(directory.path(), "job", "abc", 0).Remove();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

// A store to a page that a full memory file system cannot give would end the process.
TEST(MemorySnapshotTest, AFullMemoryFileSystemIsAnErrorAndTheOlderSnapshotRemains) {
  const TempDirectory directory;
  const testing::SmallDisk disk(directory / "memory", "11m");  // one slot, not two
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small file system needs root";
  State older(1), newer(2);
  MemorySnapshot snapshot(directory / "memory", "job", "abc", kWide + 7);
  ASSERT_OK(snapshot.Write(InfoOf(6), older.live(), {0, 1}));
  EXPECT_THAT(snapshot.Write(InfoOf(7), newer.live(), {0, 1}), StatusIs(Code::kResourceExhausted, HasSubstr("memory")));
  ASSERT_OK_AND_ASSIGN(const TrainingState read, snapshot.Load());
  EXPECT_TRUE(older == read);
  disk.Grow("30m");
  EXPECT_OK(snapshot.Write(InfoOf(7), newer.live(), {0, 1}));
  EXPECT_TRUE(newer == *snapshot.Load());
}

TEST(ScheduleTest, StepsAreMultiplesHoweverLateTheOneBeforeWas) {
  const Clock::TimePoint now;
  CheckpointSchedule schedule({.steps = 10}, 0, now);
  EXPECT_FALSE(schedule.Due(9, now));
  EXPECT_TRUE(schedule.Due(10, now));
  schedule.Started(13, now);
  EXPECT_FALSE(schedule.Due(19, now));
  EXPECT_TRUE(schedule.Due(20, now));
}

TEST(ScheduleTest, TheIntervalIsTheOneAskedForOrYoungs) {
  const auto at = [](double seconds) {
    return Clock::TimePoint() +
           std::chrono::duration_cast<Clock::TimePoint::duration>(std::chrono::duration<double>(seconds));
  };
  CheckpointSchedule asked({.seconds = 60}, 0, at(0));
  EXPECT_FALSE(asked.Due(1000, at(59)));
  EXPECT_TRUE(asked.Due(1, at(60)));
  CheckpointSchedule young({.failure_interval_seconds = 86'400, .expected_cost_seconds = 0.5}, 0, at(0));
  EXPECT_FALSE(young.Due(1, at(293)));
  EXPECT_TRUE(young.Due(1, at(294)));  // sqrt(2 * 0.5 * 86400) = 293.9
  young.Measured(2);
  EXPECT_FALSE(young.Due(1, at(587)));
  EXPECT_DOUBLE_EQ(YoungInterval(0, 86'400), 5);
}

}  // namespace
}  // namespace still::worker
