#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "common/rpc/keys.h"
#include "common/storage/files.h"
#include "common/storage/state_directory.h"
#include "coordinator/client/client.h"
#include "coordinator/daemon/daemon.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::HasSubstr;

// Starts a coordinator that stops at once.
Status StartOn(const std::string& state) {
  const std::atomic<int> stops{1};
  return RunDaemon({.state_directory = state, .endpoint = "tcp://127.0.0.1:*", .http = false}, stops);
}

unsigned ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777U;
}

// A coordinator that serves until the end of the test.
class DaemonKeysTest : public ::testing::Test {
 protected:
  void Serve(bool keys) {
    thread_ = std::thread([this, keys] {
      EXPECT_OK(RunDaemon({.state_directory = state_.path(),
                           .endpoint = "tcp://127.0.0.1:*",
                           .http_port = 0,
                           .keys = keys,
                           .on_ready = [this](const DaemonAddresses& at) { ready_.set_value(at); }},
                          stops_));
    });
    at_ = ready_.get_future().get();
  }
  void TearDown() override {
    stops_ = 1;
    if (thread_.joinable()) thread_.join();
  }
  Status Ask(const std::optional<RpcClientKeys>& keys,
             std::chrono::milliseconds deadline = std::chrono::seconds(60)) const {
    STILL_ASSIGN_OR_RETURN(
        const auto client,
        CoordinatorClient::Connect({.endpoint = at_.endpoint, .user = "a", .keys = keys, .deadline = deadline},
                                   Clock::System()));
    v1::Query query;
    query.set_view(v1::VIEW_KIND_QUEUE);
    return client->View(query).status();
  }

  const TempDirectory directory_;
  const StateDirectory state_{directory_ / "state"};
  std::promise<DaemonAddresses> ready_;
  std::atomic<int> stops_{0};
  DaemonAddresses at_;
  std::thread thread_;
};

TEST_F(DaemonKeysTest, TheFirstStartMakesKeysAndClientsNeedThem) {
  Serve(true);
  EXPECT_OK(Ask(LoadClientKeys(state_.Keys()).value()));
  EXPECT_THAT(Ask(std::nullopt), StatusIs(Code::kUnavailable, HasSubstr("keys")));
  ASSERT_OK(NewKeys(directory_ / "others"));
  EXPECT_THAT(Ask(LoadClientKeys(directory_ / "others").value(), std::chrono::milliseconds(300)),
              StatusIs(Code::kUnavailable));
  EXPECT_EQ(ModeOf(state_.path()), 0700u);
  EXPECT_EQ(ModeOf(state_.Keys()), 0700u);
}

TEST_F(DaemonKeysTest, ThePageAddressWithItsTokenIsInAPrivateFile) {
  Serve(true);
  const std::string token = LoadHttpToken(state_.Keys()).value();
  EXPECT_EQ(at_.page_with_token, at_.page + "?token=" + token);
  EXPECT_THAT(at_.page, ::testing::Not(HasSubstr("token")));
  EXPECT_EQ(ReadFile(state_.Http()).value(), at_.page_with_token + "\n");
  EXPECT_EQ(ModeOf(state_.Http()), 0600u);
}

TEST_F(DaemonKeysTest, WithoutKeysEveryLocalClientIsServedAndThereIsNoToken) {
  Serve(false);
  EXPECT_OK(Ask(std::nullopt));
  EXPECT_FALSE(Exists(state_.Keys()));
  EXPECT_EQ(at_.page_with_token, at_.page);
}

TEST(DaemonStartTest, WithoutKeysItListensOnLoopbackOnlyAndRefusesExistingKeys) {
  const TempDirectory directory;
  const std::atomic<int> stops{1};
  const auto start = [&](const std::string& endpoint, const std::string& http) {
    return RunDaemon({.state_directory = directory / "state",
                      .endpoint = endpoint,
                      .http_address = http,
                      .http_port = 0,
                      .keys = false},
                     stops);
  };
  EXPECT_THAT(start("tcp://0.0.0.0:*", "127.0.0.1"), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(start("tcp://127.0.0.1:*", "0.0.0.0"), StatusIs(Code::kInvalidArgument));
  EXPECT_OK(start("tcp://127.0.0.1:*", "127.0.0.1"));
  ASSERT_OK(StartOn(directory / "state"));
  EXPECT_THAT(start("tcp://127.0.0.1:*", "127.0.0.1"), StatusIs(Code::kInvalidArgument, HasSubstr("--no-keys")));
}

TEST(DaemonStartTest, WrongOptionsForOtherHostsAreRefusedBeforeAnythingIsMade) {
  const TempDirectory directory;
  const std::string hosts = directory / "hosts";
  ASSERT_OK(WriteFileAtomically(hosts, "localhost slots=1\n"));
  const std::atomic<int> stops{1};
  const auto start = [&](const std::string& hostfile, const std::string& address, const cluster::SshOptions& ssh) {
    return RunDaemon({.state_directory = directory / "state",
                      .endpoint = "tcp://127.0.0.1:*",
                      .http = false,
                      .hostfile = hostfile,
                      .address = address,
                      .ssh = ssh},
                     stops);
  };
  EXPECT_THAT(start(directory.path(), "", {}), StatusIs(Code::kInvalidArgument, HasSubstr(directory.path())));
  EXPECT_THAT(start(directory / "none", "127.0.0.1", {}), StatusIs(Code::kNotFound, HasSubstr("hostfile")));
  EXPECT_THAT(start(hosts, "", {}), StatusIs(Code::kInvalidArgument, HasSubstr("--address")));
  for (const char* address : {"foo", "192.0.2.1", "0.0.0.0"})
    EXPECT_THAT(start(hosts, address, {}), StatusIs(Code::kInvalidArgument, HasSubstr("--address"))) << address;
  for (const char* network : {"10.0.0", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/24,", "eth0"})
    EXPECT_THAT(start(hosts, "127.0.0.1", {.network = network}),
                StatusIs(Code::kInvalidArgument, HasSubstr("--network")))
        << network;
  EXPECT_THAT(start(hosts, "127.0.0.1", {.identity_file = directory / "none"}),
              StatusIs(Code::kNotFound, HasSubstr("--ssh-identity")));
  EXPECT_THAT(start("", "", {.network = "10.0.0.0/24"}), StatusIs(Code::kInvalidArgument, HasSubstr("--hosts")));
  EXPECT_THAT(start("", "", {.arguments = {"-v"}}), StatusIs(Code::kInvalidArgument, HasSubstr("--hosts")));
  EXPECT_FALSE(Exists(directory / "state"));
  EXPECT_OK(start(hosts, "127.0.0.1", {.identity_file = hosts, .network = "10.0.0.0/24,fd00::/64"}));
}

TEST(DaemonStartTest, AStateDirectoryIsMadeAndUsedAgain) {
  const TempDirectory directory;
  EXPECT_OK(StartOn(directory.path() + "/state"));
  EXPECT_OK(StartOn(directory.path() + "/state"));
}

TEST(DaemonStartTest, AttemptsThatTheJournalDoesNotKnowAreRefused) {
  const TempDirectory directory;
  ASSERT_OK(StartOn(directory.path()));
  ASSERT_OK(MakeDirectories(directory.path() + "/jobs/4/1"));
  EXPECT_THAT(StartOn(directory.path()), StatusIs(Code::kDataLoss, HasSubstr("jobs/4/1")));
}

TEST(DaemonStartTest, EntriesThatAreNoJobAreIgnored) {
  const TempDirectory directory;
  ASSERT_OK(MakeDirectories(directory.path() + "/jobs/old/1"));
  EXPECT_OK(StartOn(directory.path()));
}

}  // namespace
}  // namespace still::coordinator
