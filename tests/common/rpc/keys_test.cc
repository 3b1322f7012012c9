#include "common/rpc/keys.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KeysTest : public ::testing::Test {
 protected:
  static unsigned ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777U;
  }
  std::string At(const std::string& name) const { return JoinPath(keys_, name); }

  testing::TempDirectory directory_;
  const std::string keys_ = directory_ / "state/keys";
};

TEST_F(KeysTest, OnlyTheirOwnerMayReadNewKeys) {
  const mode_t before = umask(0);
  const Status made = NewKeys(keys_);
  umask(before);
  ASSERT_OK(made);
  EXPECT_EQ(ModeOf(keys_), 0700u);
  ASSERT_OK_AND_ASSIGN(const auto names, ListDirectory(keys_));
  EXPECT_THAT(names, ElementsAre("client.public", "client.secret", "http.token", "server.public", "server.secret"));
  for (const std::string& name : names) EXPECT_EQ(ModeOf(At(name)), 0600u) << name;
}

TEST_F(KeysTest, ServerAndClientLoadMatchingKeys) {
  ASSERT_OK(NewKeys(keys_));
  ASSERT_OK_AND_ASSIGN(const RpcServerKeys server, LoadServerKeys(keys_));
  ASSERT_OK_AND_ASSIGN(const RpcClientKeys client, LoadClientKeys(keys_));
  EXPECT_EQ(client.server, server.own.public_key);
  EXPECT_THAT(server.clients, ElementsAre(client.own.public_key));
  EXPECT_NE(server.own.secret_key, client.own.secret_key);
  ASSERT_OK_AND_ASSIGN(const std::string token, LoadHttpToken(keys_));
  EXPECT_THAT(token, ::testing::MatchesRegex("[0-9a-f]{64}"));
}

TEST_F(KeysTest, KeysAreNeverReplaced) {
  ASSERT_OK(NewKeys(keys_));
  ASSERT_OK_AND_ASSIGN(const std::string before, ReadFile(At("server.secret")));
  EXPECT_THAT(NewKeys(keys_), StatusIs(Code::kAlreadyExists, HasSubstr(keys_)));
  EXPECT_EQ(*ReadFile(At("server.secret")), before);
}

TEST_F(KeysTest, KeysThatOthersMayReadAreRefused) {
  ASSERT_OK(NewKeys(keys_));
  chmod(At("client.secret").c_str(), 0640);
  EXPECT_THAT(LoadClientKeys(keys_), StatusIs(Code::kPermissionDenied, AllOf(HasSubstr(At("client.secret")),
                                                                             HasSubstr("640"), HasSubstr("600"))));
  EXPECT_OK(LoadServerKeys(keys_).status());
}

TEST_F(KeysTest, AClientDoesNotNeedTheServersSecret) {
  ASSERT_OK(NewKeys(keys_));
  ASSERT_OK(RemoveAll(At("server.secret")));
  EXPECT_OK(LoadClientKeys(keys_).status());
  EXPECT_THAT(LoadServerKeys(keys_), StatusIs(Code::kNotFound, HasSubstr("still keys new")));
}

TEST_F(KeysTest, AFileThatHoldsNoKeyIsNamed) {
  ASSERT_OK(NewKeys(keys_));
  ASSERT_OK(WriteFileAtomically(At("server.public"), "short\n", FileAccess::kPrivate));
  EXPECT_THAT(LoadClientKeys(keys_), StatusIs(Code::kInvalidArgument, HasSubstr(At("server.public"))));
}

TEST_F(KeysTest, APrivateFileReplacesAnOpenOne) {
  const std::string path = directory_ / "task.json";
  ASSERT_OK(WriteFileAtomically(path, "open"));
  ASSERT_OK(WriteFileAtomically(path, "secret", FileAccess::kPrivate));
  EXPECT_EQ(ModeOf(path), 0600u);
}

}  // namespace
}  // namespace still
