#include "common/storage/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "common/bytes.h"
#include "common/faults/fault_point.h"
#include "common/host_name.h"
#include "common/storage/file_lock.h"
#include "common/storage/mapped_file.h"
#include "common/storage/staging.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void Write(const std::string& path, std::string_view contents) { std::ofstream(path, std::ios::binary) << contents; }

std::vector<std::string> NamesIn(const std::string& path) { return ListDirectory(path).value(); }

// Returns the number of a process that has ended.
pid_t EndedProcess() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  return pid;
}

TEST(FilesTest, ErrorsNamePathReasonAndRemedy) {
  EXPECT_THAT(ReadFile("/nowhere/at/all"),
              StatusIs(Code::kNotFound, "cannot open /nowhere/at/all: No such file or directory: check the path"));
  EXPECT_THAT(ErrnoStatus(ENOSPC, "cannot write", "/data/x"),
              StatusIs(Code::kResourceExhausted,
                       "cannot write /data/x: No space left on device: free space on that file "
                       "system and run again; nothing partial was left under the final name"));
  EXPECT_EQ(ErrnoStatus(EACCES, "cannot open", "x").code(), Code::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EROFS, "cannot open", "x").code(), Code::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EIO, "cannot read", "x").code(), Code::kDataLoss);
}

TEST(FilesTest, ReadsRegularAndSpecialFilesToTheEnd) {
  const TempDirectory directory;
  const std::string contents(100'000, 'q');
  Write(directory / "file", contents);
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadFile(directory / "file"));
  EXPECT_EQ(read, contents);
  ASSERT_OK_AND_ASSIGN(const std::string special, ReadFile("/proc/self/status"));  // says it has size 0
  EXPECT_THAT(special, HasSubstr("VmPeak"));
  EXPECT_THAT(ReadFile(directory.path()), StatusIs(Code::kInvalidArgument, HasSubstr(directory.path())));
}

TEST(FilesTest, ListsFilesSortedAndAFileAsItself) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "b/c"));
  Write(directory / "b/c/2", "");
  Write(directory / "b/1", "");
  Write(directory / "a", "");
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre("a", "b"));
  ASSERT_OK_AND_ASSIGN(const auto files, ListFilesRecursively(directory.path()));
  EXPECT_THAT(files, ElementsAre(directory / "a", directory / "b/1", directory / "b/c/2"));
  ASSERT_OK_AND_ASSIGN(const auto one, ListFilesRecursively(directory / "a"));
  EXPECT_THAT(one, ElementsAre(directory / "a"));
  EXPECT_THAT(ListFilesRecursively(directory / "absent"), StatusIs(Code::kNotFound));
  EXPECT_THAT(ListDirectory(directory / "absent"), StatusIs(Code::kNotFound));
}

TEST(FilesTest, MakingADirectoryUnderAFileNamesTheFileAsTheReason) {
  const TempDirectory directory;
  Write(directory / "file", "");
  EXPECT_THAT(MakeDirectories(directory / "file/below"),
              StatusIs(Code::kAlreadyExists,
                       HasSubstr((directory / "file") + ": a file of this name is there; name a directory")));
  EXPECT_OK(MakeDirectories(directory / "x/y/z"));
  EXPECT_OK(MakeDirectories(directory / "x/y/z"));
}

TEST(MappedFileTest, AMapOutlivesAMove) {
  const TempDirectory directory;
  Write(directory / "file", "mapped");
  Write(directory / "empty", "");
  ASSERT_OK_AND_ASSIGN(MappedFile file, MappedFile::Open(directory / "file"));
  ASSERT_OK_AND_ASSIGN(MappedFile other, MappedFile::Open(directory / "empty"));
  EXPECT_TRUE(other.bytes().empty());
  other = std::move(file);
  EXPECT_EQ(AsText(other.bytes()), "mapped");
  EXPECT_EQ(other.path(), directory / "file");
  EXPECT_THAT(MappedFile::Open(directory.path()), StatusIs(Code::kInvalidArgument));
}

TEST(AtomicFileTest, AFileStandsUnderItsNameOnlyAfterCommit) {
  const TempDirectory directory;
  const std::string path = directory / "file";
  std::string expected = "small";
  {
    ASSERT_OK_AND_ASSIGN(auto file, AtomicFile::Create(path));
    ASSERT_OK(file->Append("small"));
    for (const std::size_t size :
         {std::size_t{700'000}, std::size_t{700'000}, std::size_t{3'000'000}, std::size_t{1}}) {
      const std::string part(size, static_cast<char>('a' + size % 26));
      ASSERT_OK(file->Append(part));
      expected += part;
    }
    EXPECT_EQ(file->size(), expected.size());
    EXPECT_FALSE(Exists(path));
    ASSERT_OK(file->Commit());
  }
  ASSERT_OK_AND_ASSIGN(const std::string read, ReadFile(path));
  EXPECT_TRUE(read == expected);
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre("file"));
}

TEST(AtomicFileTest, AFileThatIsNotCommittedLeavesTheOldContents) {
  const TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "file", "old"));
  {
    ASSERT_OK_AND_ASSIGN(auto file, AtomicFile::Create(directory / "file"));
    ASSERT_OK(file->Append("new"));
    EXPECT_EQ(NamesIn(directory.path()).size(), 2u);
  }
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre("file"));
  EXPECT_EQ(*ReadFile(directory / "file"), "old");
  ASSERT_OK(WriteFileAtomically(directory / "file", "new"));
  EXPECT_EQ(*ReadFile(directory / "file"), "new");
}

// /dev/full fails every write as a full disk does; the temporary name is made a link to it.
TEST(AtomicFileTest, AFullDiskLeavesNothingAndAFailedWriteIsNeverCommitted) {
  const TempDirectory directory;
  const std::string path = directory / "file";
  const std::string temporary = fmt::format("{}.tmp-{}-{}", path, HostName(), getpid());
  const auto full = HasSubstr(path);
  ASSERT_EQ(symlink("/dev/full", temporary.c_str()), 0);
  EXPECT_THAT(WriteFileAtomically(path, "contents"), StatusIs(Code::kResourceExhausted, full));
  EXPECT_THAT(NamesIn(directory.path()), IsEmpty());

  ASSERT_EQ(symlink("/dev/full", temporary.c_str()), 0);
  {
    ASSERT_OK_AND_ASSIGN(auto file, AtomicFile::Create(path));
    EXPECT_THAT(file->Append(std::string(2'000'000, 'x')), StatusIs(Code::kResourceExhausted, full));
    EXPECT_THAT(file->Append("more"), StatusIs(Code::kResourceExhausted, full));
    EXPECT_THAT(file->Commit(), StatusIs(Code::kResourceExhausted, full));
  }
  EXPECT_THAT(NamesIn(directory.path()), IsEmpty());
}

TEST(AtomicFileTest, AMissingDirectoryIsNamed) {
  const TempDirectory directory;
  EXPECT_THAT(AtomicFile::Create(directory / "absent/file"), StatusIs(Code::kNotFound, HasSubstr("absent/file")));
}

TEST(AtomicFileTest, ANewFileStandsElsewhereMeanwhileAndReplacesNone) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "parent"));
  const std::string path = directory / "parent/file";
  ASSERT_OK_AND_ASSIGN(auto first, AtomicFile::CreateNew(path, directory / "first"));
  ASSERT_OK_AND_ASSIGN(auto second, AtomicFile::CreateNew(path, directory / "second"));
  ASSERT_OK(first->Append("first"));
  ASSERT_OK(second->Append("second"));
  EXPECT_THAT(NamesIn(directory / "parent"), IsEmpty());
  ASSERT_OK(second->Commit());
  EXPECT_THAT(first->Commit(), StatusIs(Code::kAlreadyExists, HasSubstr(path)));
  first.reset();
  EXPECT_EQ(*ReadFile(path), "second");
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre("parent"));

  ASSERT_OK_AND_ASSIGN(auto late, AtomicFile::CreateNew(path, directory / "late"));
  ASSERT_OK(RemoveAll(directory / "parent"));
  EXPECT_THAT(late->Commit(), StatusIs(Code::kNotFound, HasSubstr(path)));
}

TEST(StagedDirectoryTest, ADirectoryAppearsCompleteOrNotAtAll) {
  const TempDirectory directory;
  const std::string path = directory / "parents/are/made/final";
  {
    ASSERT_OK_AND_ASSIGN(auto staged, StagedDirectory::Create(path));
    Write(JoinPath(staged->path(), "file"), "");
  }
  EXPECT_THAT(NamesIn(directory / "parents/are/made"), IsEmpty());
  ASSERT_OK_AND_ASSIGN(auto staged, StagedDirectory::Create(path));
  ASSERT_OK(MakeDirectories(JoinPath(staged->path(), "sub")));
  Write(JoinPath(staged->path(), "sub/file"), "x");
  EXPECT_FALSE(Exists(path));
  ASSERT_OK(staged->Commit());
  staged.reset();
  EXPECT_EQ(*ReadFile(path + "/sub/file"), "x");
  EXPECT_THAT(NamesIn(directory / "parents/are/made"), ElementsAre("final"));
}

TEST(StagedDirectoryTest, TheFirstToCommitWins) {
  const TempDirectory directory;
  for (const bool empty : {false, true}) {
    const std::string path = directory / (empty ? "empty" : "full");
    {
      ASSERT_OK_AND_ASSIGN(auto staged, StagedDirectory::Create(path));
      Write(JoinPath(staged->path(), "file"), "ours");
      ASSERT_OK(MakeDirectories(path));
      if (!empty) Write(path + "/file", "theirs");
      EXPECT_THAT(staged->Commit(), StatusIs(Code::kAlreadyExists, HasSubstr(path)));
    }
    EXPECT_THAT(NamesIn(path), empty ? ::testing::Matcher<std::vector<std::string>>(IsEmpty()) : ElementsAre("file"));
  }
  EXPECT_EQ(*ReadFile(directory / "full/file"), "theirs");
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre("empty", "full"));
}

TEST(StagedDirectoryTest, ADirectoryStartsEmptyOverLeftoversOfTheSameProcessNumber) {
  const TempDirectory directory;
  const std::string path = directory / "final";
  const std::string stale = fmt::format("{}.partial-{}-{}", path, HostName(), getpid());
  ASSERT_OK(MakeDirectories(stale));
  Write(stale + "/old", "");
  ASSERT_OK_AND_ASSIGN(auto staged, StagedDirectory::Create(path));
  EXPECT_THAT(NamesIn(staged->path()), IsEmpty());
}

TEST(FilesTest, OnlyTemporariesOfEndedProcessesAreRemoved) {
  const TempDirectory directory;
  const pid_t ended = EndedProcess();
  ASSERT_OK(MakeDirectories(directory / fmt::format("a.partial-{}-{}", HostName(), ended)));
  Write(directory / fmt::format("a.partial-{}-{}/file", HostName(), ended), "");
  Write(directory / fmt::format("b.tmp-{}-{}", HostName(), ended), "");
  const std::string ours = fmt::format("c.tmp-{}-{}", HostName(), getpid());
  const std::string elsewhere = fmt::format("d.tmp-another-host-{}", ended);  // it may live there
  const std::vector<std::string> kept = {ours, elsewhere, "e.partial-", "f.tmp-12x", "g.tmp-12", "h"};
  for (const std::string& name : kept) Write(directory / name, "");
  ASSERT_OK(RemoveStaleTemporaries(directory.path()));
  EXPECT_EQ(NamesIn(directory.path()), kept);
}

TEST(FilesTest, OnlyStaleTemporariesOfThePrefixAreRemoved) {
  const TempDirectory directory;
  const pid_t ended = EndedProcess();
  for (const char* name : {"ours.a", "ours.b", "other"})
    ASSERT_OK(MakeDirectories(directory / fmt::format("{}.partial-{}-{}", name, HostName(), ended)));
  ASSERT_OK(RemoveStaleTemporaries(directory.path(), "ours."));
  EXPECT_THAT(NamesIn(directory.path()), ElementsAre(fmt::format("other.partial-{}-{}", HostName(), ended)));
}

TEST(FilesTest, ManyProcessesMayRemoveTheSameLeftovers) {
  const TempDirectory directory;
  const pid_t ended = EndedProcess();
  for (int i = 0; i < 300; ++i) {
    const std::string staged = directory / fmt::format("{}.partial-{}-{}", i, HostName(), ended);
    ASSERT_OK(MakeDirectories(staged));
    for (const char* name : {"/a", "/b", "/c"}) Write(staged + name, "");
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(fork());
    if (children.back() == 0) _exit(RemoveStaleTemporaries(directory.path()).ok() ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_THAT(NamesIn(directory.path()), IsEmpty());
}

TEST(FilesTest, AStagedDirectoryMayStandElsewhereUntilItIsCommitted) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory / "parent"));
  ASSERT_OK_AND_ASSIGN(const auto staged, StagedDirectory::Create(directory / "parent/final", directory / "aside"));
  ASSERT_OK_AND_ASSIGN(const auto orphaned, StagedDirectory::Create(directory / "gone/final", directory / "other"));
  Write(staged->path() + "/file", "x");
  EXPECT_THAT(NamesIn(directory / "parent"), IsEmpty());
  EXPECT_FALSE(Exists(directory / "gone")) << "it may have been renamed, and is not made again";
  ASSERT_OK(staged->Commit());
  EXPECT_THAT(NamesIn(directory / "parent"), ElementsAre("final"));
  EXPECT_THAT(orphaned->Commit(), StatusIs(Code::kNotFound));
}

TEST(FileLockTest, ALockIsHeldByOneAndFreedAtItsEnd) {
  const TempDirectory directory;
  {
    ASSERT_OK_AND_ASSIGN(FileLock lock, FileLock::TryAcquire(directory / "lock"));
    const FileLock moved = std::move(lock);
    EXPECT_THAT(FileLock::TryAcquire(directory / "lock"), StatusIs(Code::kUnavailable));
  }
  EXPECT_OK(FileLock::TryAcquire(directory / "lock"));
}

// Permissions do not bind root, so a child gives up its rights. It exits with the code of the status that it met.
TEST(FilesTest, ADirectoryWithoutPermissionIsPermissionDenied) {
  const TempDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0555), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(100);
    const Status status = WriteFileAtomically(directory / "file", "x");
    _exit(static_cast<int>(status.code()));
  }
  int ended = 0;
  waitpid(child, &ended, 0);
  ASSERT_TRUE(WIFEXITED(ended));
  EXPECT_EQ(WEXITSTATUS(ended), static_cast<int>(Code::kPermissionDenied));
  EXPECT_EQ(chmod(directory.path().c_str(), 0755), 0);
}

// A fault is armed when a process starts, so each case is a new run of this binary.
class FilesDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override { unsetenv("STILL_FAULT"); }
};

// Returns the exit code of the first failure, or 100 when a file was left.
int CommitBoth() {
  const TempDirectory directory;
  const Status file_status = WriteFileAtomically(directory / "file", "x");
  Status directory_status;
  {
    const auto staged = StagedDirectory::Create(directory / "made").value();
    directory_status = staged->Commit();
  }
  const Status& failed = file_status.ok() ? directory_status : file_status;
  const bool left_one = NamesIn(directory.path()).size() == 1;
  return left_one ? ExitCode(failed) : 100;
}

TEST_F(FilesDeathTest, FailuresAtCommitLeaveNothing) {
  for (const char* fault :
       {"*:1:write:enospc", "*:1:fsync:enospc", "*:1:rename:enospc", "*:2:fsync:enospc", "*:2:rename:enospc"}) {
    setenv("STILL_FAULT", fault, 1);
    EXPECT_EXIT(std::exit(CommitBoth()), ::testing::ExitedWithCode(3), "") << fault;
  }
}

TEST(FilesTest, ATornFileStandsUnderItsNameWithHalfOfItsBytes) {
  const TempDirectory directory;
  const std::string contents(3'000'001, 'x');
  const pid_t child = fork();
  if (child == 0) {
    const bool written = ArmFaults("*:2:write:torn").ok() && WriteFileAtomically(directory / "whole", contents).ok() &&
                         WriteFileAtomically(directory / "torn", contents).ok();
    _exit(written ? 0 : 1);
  }
  int ended = 0;
  waitpid(child, &ended, 0);
  ASSERT_TRUE(WIFSIGNALED(ended));
  EXPECT_EQ(WTERMSIG(ended), SIGKILL);
  EXPECT_EQ(*FileSize(directory / "whole"), 3'000'001u);
  EXPECT_EQ(*FileSize(directory / "torn"), 1'500'000u);
}

}  // namespace
}  // namespace still
