#include "coordinator/agent/attached_launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::ElementsAre;
using testing::StatusIs;

TEST(AttachedLauncherTest, ATypedMpirunIsOneLaunchAndItsEndIsToldWithoutAdvice) {
  const testing::TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "task.json", R"({"generation": "7"})"));
  std::vector<std::uint64_t> published;
  AttachedLauncher launcher([&](const v1::WorkerTask& task) { published.push_back(task.generation()); },
                            [] { return false; }, Clock::System());
  const cluster::LaunchSpec spec{.arguments = {"--task", directory / "task.json"}};
  EXPECT_OK(launcher.Launch(spec).status());
  // The message becomes the text of a recovery, which is still shown long after mpirun was typed again.
  EXPECT_THAT(launcher.Launch(spec).status(), StatusIs(Code::kUnavailable, "the mpirun that was typed has ended"));
  EXPECT_THAT(published, ElementsAre(7));
}

}  // namespace
}  // namespace still::coordinator
