#include "common/log.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::TempDirectory;
using ::testing::MatchesRegex;

TEST(LogTest, ALineIsTimeLevelNameAndMessage) {
  const TempDirectory directory;
  InitLog("train/rank-1", directory / "log", /*to_stderr=*/false);
  LogDebug("not shown at the default level");
  LogWarn("{} of {} checkpoints {{kept}}", 2, 3);
  EXPECT_THAT(
      *ReadFile(directory / "log"),
      MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z warn train/rank-1: 2 of 3 "
                   "checkpoints \\{kept\\}\n"));
  InitLog("test");
}

TEST(LogTest, TheEnvironmentSetsTheLevel) {
  const TempDirectory directory;
  setenv("STILL_LOG", "error", 1);
  InitLog("test", directory / "log", /*to_stderr=*/false);
  LogWarn("dropped");
  LogError("kept");
  EXPECT_THAT(*ReadFile(directory / "log"), MatchesRegex("[^\n]*error test: kept\n"));
  unsetenv("STILL_LOG");
  InitLog("test");
}

TEST(LogTest, AFileThatCannotBeOpenedIsReportedOnStderr) {
  ::testing::internal::CaptureStderr();
  InitLog("test", "/proc/no/such/log", /*to_stderr=*/false);
  LogInfo("still heard");
  const std::string shown = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(shown, ::testing::HasSubstr("/proc/no/such/log"));
  EXPECT_THAT(shown, ::testing::HasSubstr("still heard"));
  InitLog("test");
}

}  // namespace
}  // namespace still
