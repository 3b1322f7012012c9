#include "common/rpc/rpc.h"

#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace still {
namespace {

using std::chrono::milliseconds;
using still::testing::StatusIs;
using ::testing::HasSubstr;

constexpr milliseconds kEver(20'000);  // far beyond what loopback needs; no test waits it out

TEST(RpcTest, MessagesCarryTheirSenderAndRepliesFindIt) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  EXPECT_THAT(server->endpoint(), ::testing::MatchesRegex("tcp://127\\.0\\.0\\.1:[0-9]+"));
  ASSERT_OK_AND_ASSIGN(const auto first, RpcClient::Connect(server->endpoint(), "rank-0"));
  ASSERT_OK_AND_ASSIGN(const auto second, RpcClient::Connect(server->endpoint(), "rank-1"));
  const std::string binary("a\0b\xff", 4);
  ASSERT_OK(first->Send(binary));
  ASSERT_OK(second->Send(""));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->payload, message->peer == "rank-0" ? binary : "");
    ASSERT_OK(server->Send(message->peer, "to " + message->peer));
  }
  EXPECT_EQ(**first->Receive(kEver), "to rank-0");
  EXPECT_EQ(**second->Receive(kEver), "to rank-1");
}

TEST(RpcTest, ReceiveReturnsNothingWhenNothingComes) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(milliseconds(0)));
  EXPECT_FALSE(message.has_value());
}

TEST(RpcTest, AMessageToAPeerThatLeftIsDropped) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  EXPECT_OK(server->Send("nobody", "hello"));
}

TEST(RpcTest, AClientThatComesBackUnderItsIdentityIsHeard) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  for (const char* life : {"first", "second"}) {
    ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server->endpoint(), "rank-0"));
    ASSERT_OK(client->Send(life));
    ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
    EXPECT_EQ(message->payload, life);
    ASSERT_OK(server->Send("rank-0", "heard"));
    EXPECT_EQ(**client->Receive(kEver), "heard");
  }
}

TEST(RpcTest, AClientOfADeadServerSendsAndTimesOut) {
  std::string endpoint;
  {
    ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
    endpoint = server->endpoint();
  }
  ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(endpoint, "rank-0"));
  EXPECT_OK(client->Send("anyone?"));
  EXPECT_FALSE(client->Receive(milliseconds(10))->has_value());
}

TEST(RpcTest, ImpossibleEndpointsAreErrors) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind("tcp://127.0.0.1:*"));
  EXPECT_THAT(RpcServer::Bind(server->endpoint()), StatusIs(Code::kUnavailable, HasSubstr(server->endpoint())));
  EXPECT_THAT(RpcServer::Bind("localhost"), StatusIs(Code::kInvalidArgument, HasSubstr("localhost")));
  EXPECT_THAT(RpcClient::Connect("pigeon://x", "a"), StatusIs(Code::kInvalidArgument, HasSubstr("pigeon://x")));
}

}  // namespace
}  // namespace still
