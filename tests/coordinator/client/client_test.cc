#include "coordinator/client/client.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/rpc/keys.h"
#include "common/rpc/protocol.h"
#include "common/storage/files.h"
#include "common/storage/state_directory.h"
#include "tests/testing/fake_coordinator.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

namespace v1 = stillhouse::v1;
using std::chrono::milliseconds;
using still::testing::FakeCoordinator;
using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

v1::Query QueryOf(v1::ViewKind view, std::uint64_t job = 0) {
  v1::Query query;
  query.set_view(view);
  query.set_job(job);
  return query;
}

// Answers with an empty view of the kind that was requested.
v1::ClientReply Echo(const v1::ClientRequest& request) {
  v1::ClientReply reply;
  reply.mutable_view()->set_view(request.query().view());
  reply.mutable_view()->mutable_job()->set_id(request.query().job());
  return reply;
}

TEST(CoordinatorClientTest, ARequestCarriesProtocolNumberAndUser) {
  FakeCoordinator server(&Echo);
  ASSERT_OK_AND_ASSIGN(const auto client,
                       CoordinatorClient::Connect({.endpoint = server.endpoint(), .user = "alice"}, Clock::System()));
  EXPECT_EQ(client->View(QueryOf(v1::VIEW_KIND_QUEUE)).value().view(), v1::VIEW_KIND_QUEUE);
  EXPECT_EQ(client->View(QueryOf(v1::VIEW_KIND_NODES)).value().view(), v1::VIEW_KIND_NODES);
  const auto requests = server.requests();
  ASSERT_GE(requests.size(), 2u);
  EXPECT_EQ(requests.front().protocol(), kProtocol);
  EXPECT_EQ(requests.front().user(), "alice");
  EXPECT_LT(requests.front().request(), requests.back().request());
}

TEST(CoordinatorClientTest, ALostRequestIsSentAgainWithItsNumber) {
  int asked = 0;
  FakeCoordinator server([&](const v1::ClientRequest&) -> std::optional<v1::ClientReply> {
    if (++asked < 3) return std::nullopt;
    return Echo({});
  });
  ASSERT_OK_AND_ASSIGN(
      const auto client,
      CoordinatorClient::Connect(
          {.endpoint = server.endpoint(), .user = "a", .deadline = milliseconds(60'000), .resend = milliseconds(1)},
          Clock::System()));
  EXPECT_OK(client->View(QueryOf(v1::VIEW_KIND_QUEUE)));
  for (const v1::ClientRequest& request : server.requests()) EXPECT_EQ(request.request(), 1u);
}

TEST(CoordinatorClientTest, LateRepliesToEarlierRequestsAreIgnored) {
  // Every request is sent several times, so that replies to earlier ones keep coming in.
  FakeCoordinator server(&Echo);
  ASSERT_OK_AND_ASSIGN(
      const auto client,
      CoordinatorClient::Connect(
          {.endpoint = server.endpoint(), .user = "a", .deadline = milliseconds(60'000), .resend = milliseconds(1)},
          Clock::System()));
  for (std::uint64_t job = 1; job <= 50; ++job)
    ASSERT_EQ(client->View(QueryOf(v1::VIEW_KIND_JOB, job)).value().job().id(), job);
}

TEST(CoordinatorClientTest, ARefusalReturnsTheCoordinatorsStatus) {
  FakeCoordinator server([](const v1::ClientRequest& request) {
    v1::ClientReply reply;
    reply.set_code(request.query().view() == v1::VIEW_KIND_JOB ? v1::CODE_NOT_FOUND : static_cast<v1::StatusCode>(999));
    reply.set_message("no job 7");
    return reply;
  });
  ASSERT_OK_AND_ASSIGN(const auto client,
                       CoordinatorClient::Connect({.endpoint = server.endpoint(), .user = "a"}, Clock::System()));
  EXPECT_THAT(client->View(QueryOf(v1::VIEW_KIND_JOB)), StatusIs(Code::kNotFound, "no job 7"));
  EXPECT_THAT(client->View(QueryOf(v1::VIEW_KIND_TOP)), StatusIs(Code::kInternal, "no job 7"));
}

TEST(CoordinatorClientTest, NoAnswerIsUnavailableWithARemedy) {
  ASSERT_OK_AND_ASSIGN(
      const auto client,
      CoordinatorClient::Connect(
          {.endpoint = "tcp://127.0.0.1:1", .user = "a", .deadline = milliseconds(20), .resend = milliseconds(5)},
          Clock::System()));
  EXPECT_THAT(client->View(QueryOf(v1::VIEW_KIND_QUEUE)),
              StatusIs(Code::kUnavailable, AllOf(HasSubstr("tcp://127.0.0.1:1"), HasSubstr("still serve"))));
}

TEST(CoordinatorClientTest, AnotherProgramOnThePortIsUnavailable) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  ASSERT_OK_AND_ASSIGN(const auto client,
                       CoordinatorClient::Connect({.endpoint = server->endpoint(), .user = "a"}, Clock::System()));
  std::thread answering([&] {
    for (;;) {
      const auto message = server->Receive(milliseconds(10));
      if (!message.ok() || !message->has_value()) continue;
      EXPECT_OK(server->Send((*message)->peer, "\xff\xff\xff"));
      return;
    }
  });
  EXPECT_THAT(client->View(QueryOf(v1::VIEW_KIND_QUEUE)), StatusIs(Code::kUnavailable));
  answering.join();
}

TEST(CoordinatorClientTest, DrawnKeysDifferAndUsersHaveNames) {
  EXPECT_THAT(DrawKey(), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(DrawKey(), DrawKey());
  EXPECT_NE(UserName(), "");
}

class FindCoordinatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("STILL_COORDINATOR");
    unsetenv("STILL_KEYS");
  }
  void TearDown() override {
    unsetenv("STILL_COORDINATOR");
    unsetenv("STILL_STATE");
    unsetenv("STILL_KEYS");
  }
  const testing::TempDirectory directory_;
  const StateDirectory state_{directory_.path()};
};

TEST_F(FindCoordinatorTest, OptionsComeBeforeTheEnvironmentAndAnEndpointBeforeAState) {
  ASSERT_OK(WriteFileAtomically(state_.Endpoint(), "tcp://127.0.0.1:3\n"));
  setenv("STILL_STATE", state_.path().c_str(), 1);
  EXPECT_EQ(FindCoordinator("", "").value(), "tcp://127.0.0.1:3");
  setenv("STILL_COORDINATOR", "tcp://127.0.0.1:2", 1);
  EXPECT_EQ(FindCoordinator("", "").value(), "tcp://127.0.0.1:2");
  EXPECT_EQ(FindCoordinator("", state_.path()).value(), "tcp://127.0.0.1:3") << "the option decides";
  EXPECT_EQ(FindCoordinator("tcp://127.0.0.1:1", state_.path()).value(), "tcp://127.0.0.1:1");
}

TEST_F(FindCoordinatorTest, NoCoordinatorIsUnavailableWithARemedy) {
  EXPECT_THAT(FindCoordinator("", state_.path()),
              StatusIs(Code::kUnavailable, AllOf(HasSubstr(directory_.path()), HasSubstr("`still serve`"))));
  ASSERT_OK(WriteFileAtomically(state_.Endpoint(), "\n"));
  EXPECT_THAT(FindCoordinator("", state_.path()), StatusIs(Code::kUnavailable, HasSubstr("is empty")));
}

TEST_F(FindCoordinatorTest, KeysByOptionComeBeforeKeysByTheEnvironment) {
  const auto key = [](const Result<std::optional<RpcClientKeys>>& keys) { return (*keys)->own.public_key; };
  for (const char* name : {"asked", "environment", "keys", "usual/keys"}) ASSERT_OK(NewKeys(directory_ / name));
  const auto public_key = [&](const char* name) { return LoadClientKeys(directory_ / name)->own.public_key; };
  setenv("STILL_STATE", (directory_ / "usual").c_str(), 1);
  EXPECT_EQ(key(FindClientKeys("", "")), public_key("usual/keys"));
  setenv("STILL_KEYS", (directory_ / "environment").c_str(), 1);
  EXPECT_EQ(key(FindClientKeys("", "")), public_key("environment"));
  EXPECT_EQ(key(FindClientKeys("", state_.path())), public_key("keys"));
  EXPECT_EQ(FindClientKeys("", directory_ / "none").value(), std::nullopt) << "its coordinator has no keys";
  EXPECT_EQ(key(FindClientKeys(directory_ / "asked", state_.path())), public_key("asked"));
  EXPECT_THAT(FindClientKeys(directory_ / "none", state_.path()), StatusIs(Code::kNotFound));
}

TEST_F(FindCoordinatorTest, TheStateDirectoryComesFromTheEnvironmentOrTheHome) {
  setenv("STILL_STATE", "/state", 1);
  EXPECT_EQ(DefaultStateDirectory().value(), "/state");
  unsetenv("STILL_STATE");
  const char* home = std::getenv("HOME");
  const std::string before = home == nullptr ? "" : home;
  setenv("HOME", "/home/alice", 1);
  EXPECT_EQ(DefaultStateDirectory().value(), "/home/alice/.local/state/stillhouse");
  unsetenv("HOME");
  EXPECT_THAT(DefaultStateDirectory(), StatusIs(Code::kInvalidArgument, HasSubstr("STILL_STATE")));
  setenv("HOME", before.c_str(), 1);
  EXPECT_EQ(StateDirectory("/s").Attempt(7, 2).path(), "/s/jobs/7/2");
}

}  // namespace
}  // namespace still::coordinator
