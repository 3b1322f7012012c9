#include "common/storage/scratch_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

class ScratchDirectoryTest : public ::testing::Test {
 protected:
  ScratchDirectory Make() { return ScratchDirectory::Create(parent_.path(), "launch-").value(); }
  // Makes the directory look unchanged for an hour.
  static void Age(const std::string& path) {
    timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {}};
    times[1].tv_sec = time(nullptr) - 3600;
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  // Returns a directory with a file in it whose maker was killed.
  std::string MakeAbandoned() {
    const pid_t maker = fork();
    if (maker == 0) {
      const ScratchDirectory made = Make();
      if (!WriteFileAtomically(made.path() + "/segment", "x").ok()) _exit(1);
      if (!WriteFileAtomically(parent_ / "name", made.path()).ok()) _exit(1);
      raise(SIGKILL);
    }
    int status = 0;
    waitpid(maker, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    return ReadFile(parent_ / "name").value();
  }

  const testing::TempDirectory parent_;
};

TEST_F(ScratchDirectoryTest, ADirectoryBelongsToItsMakerAndIsDeletedWithIt) {
  std::string path;
  {
    const ScratchDirectory made = Make();
    path = made.path();
    struct stat found;
    ASSERT_EQ(stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0700U);
    EXPECT_NE(Make().path(), path);
    ASSERT_OK(WriteFileAtomically(path + "/segment", "x"));
    const auto held = ScratchDirectory::Hold(path);
    EXPECT_TRUE(held.ok()) << held.status().ToString();
  }
  EXPECT_FALSE(Exists(path));
}

TEST_F(ScratchDirectoryTest, ALaterMakerDeletesWhatAKilledOneLeft) {
  const std::string abandoned = MakeAbandoned();
  Age(abandoned);
  ASSERT_TRUE(Exists(abandoned + "/segment"));
  ASSERT_OK(Make().RemoveAbandoned());
  EXPECT_FALSE(Exists(abandoned));
}

TEST_F(ScratchDirectoryTest, AHeldDirectoryStays) {
  const std::string abandoned = MakeAbandoned();
  Age(abandoned);
  ASSERT_OK_AND_ASSIGN(const auto held, ScratchDirectory::Hold(abandoned));
  ASSERT_OK(Make().RemoveAbandoned());
  EXPECT_TRUE(Exists(abandoned + "/segment"));
}

// On another host Open MPI makes the directory, and the ranks that hold it come a moment later.
TEST_F(ScratchDirectoryTest, AYoungDirectoryStays) {
  const std::string abandoned = MakeAbandoned();
  ASSERT_OK(Make().RemoveAbandoned());
  EXPECT_TRUE(Exists(abandoned + "/segment"));
}

TEST_F(ScratchDirectoryTest, OtherNamesAndFilesAreNotTouched) {
  const std::string other = parent_ / "launcher-abcdef";
  const std::string longer = parent_ / "launch-abcdefg";
  const std::string file = parent_ / "launch-abcdef";
  ASSERT_TRUE(MakeDirectories(other).ok() && MakeDirectories(longer).ok() && WriteFileAtomically(file, "").ok());
  for (const std::string& path : {other, longer, file}) Age(path);
  ASSERT_OK(Make().RemoveAbandoned());
  for (const std::string& path : {other, longer, file}) EXPECT_TRUE(Exists(path)) << path;
}

TEST_F(ScratchDirectoryTest, AParentThatIsMissingIsNamed) {
  const auto made = ScratchDirectory::Create("/nowhere", "launch-");
  EXPECT_EQ(made.status().code(), Code::kNotFound);
  EXPECT_NE(made.status().message().find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace still
