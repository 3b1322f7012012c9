#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "common/files.h"
#include "coordinator/service/daemon.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Starts, and stops at once.
Status StartOn(const std::string& state) {
  const std::atomic<int> stops{1};
  return RunDaemon({.state_directory = state, .endpoint = "tcp://127.0.0.1:*", .http = false}, stops);
}

TEST(DaemonStartTest, ANewDirectoryAndThenItsOwnAreFine) {
  const TempDirectory directory;
  EXPECT_OK(StartOn(directory.path() + "/state"));
  EXPECT_OK(StartOn(directory.path() + "/state"));
}

TEST(DaemonStartTest, AttemptsThatTheJournalDoesNotKnowAreNotTakenForItsOwn) {
  const TempDirectory directory;
  ASSERT_OK(StartOn(directory.path()));
  ASSERT_OK(MakeDirectories(directory.path() + "/jobs/4/1"));
  EXPECT_THAT(StartOn(directory.path()),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("jobs/4/1"), HasSubstr("journal"), HasSubstr("move"))));
}

TEST(DaemonStartTest, WhatIsNoAttemptIsLeftAlone) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory.path() + "/jobs/old/1"));
  EXPECT_OK(StartOn(directory.path()));
}

}  // namespace
}  // namespace still::coordinator
