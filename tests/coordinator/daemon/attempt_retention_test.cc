#include "coordinator/daemon/attempt_retention.h"

#include <gmock/gmock.h>

#include "common/storage/file_lock.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using testing::TempDirectory;
using ::testing::UnorderedElementsAre;

TEST(AttemptRetentionTest, DirectoriesOfTheNewestEndedJobsStay) {
  const TempDirectory path;
  const StateDirectory directory(path.path());
  Changes changes;
  for (std::uint64_t id = 1; id <= 8; ++id) {
    v1::Job& job = changes.jobs.emplace_back();
    job.set_id(id);
    job.set_state(id == 1 ? v1::JOB_RUNNING : v1::JOB_SUCCEEDED);
    if (id != 1) job.set_ended_ms(1000 - static_cast<UnixMs>(id));  // the highest numbers ended first
    ASSERT_OK(MakeDirectories(directory.Attempt(id, 1).path()));
    ASSERT_OK(WriteFileAtomically(directory.Attempt(id, 1).AgentLog(), "said\n"));
  }
  ASSERT_OK(MakeDirectories(JoinPath(directory.Jobs(), "old")));
  State state;
  state.Apply(changes);
  ASSERT_OK_AND_ASSIGN(const FileLock lock, FileLock::TryAcquire(directory.Attempt(8, 1).Lock()));

  ASSERT_OK(RemoveOldAttempts(directory, state, {.ended_jobs_kept = 3, .most_removed = 1}));
  EXPECT_THAT(*ListDirectory(directory.Jobs()), UnorderedElementsAre("old", "1", "2", "3", "4", "5", "6", "8"));
  ASSERT_OK(RemoveOldAttempts(directory, state, {.ended_jobs_kept = 3}));
  EXPECT_THAT(*ListDirectory(directory.Jobs()), UnorderedElementsAre("old", "1", "2", "3", "4", "8"))
      << "a process of job 8 lives";
}

TEST(AttemptRetentionTest, ADirectoryThatCannotBeRemovedDoesNotStopTheOthers) {
  const TempDirectory path;
  const StateDirectory directory(path.path());
  Changes changes;
  for (std::uint64_t id = 1; id <= 2; ++id) {
    v1::Job& job = changes.jobs.emplace_back();
    job.set_id(id);
    job.set_state(v1::JOB_SUCCEEDED);
    job.set_ended_ms(static_cast<UnixMs>(id));
  }
  ASSERT_OK(MakeDirectories(directory.Attempt(2, 1).path()));
  ASSERT_OK(WriteFileAtomically(JoinPath(directory.Jobs(), "1"), "a file, not a directory"));
  State state;
  state.Apply(changes);

  EXPECT_FALSE(RemoveOldAttempts(directory, state, {.ended_jobs_kept = 0}).ok());
  EXPECT_THAT(*ListDirectory(directory.Jobs()), UnorderedElementsAre("1"));
}

TEST(AttemptRetentionTest, AStateDirectoryWithoutJobsIsFine) {
  const TempDirectory path;
  EXPECT_OK(RemoveOldAttempts(StateDirectory(path.path()), State(), {}));
}

}  // namespace
}  // namespace still::coordinator
