// Tests which clients a server admits, and that messages of strangers do no harm.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "common/rpc/rpc.h"
#include "tests/testing/status_matchers.h"

namespace still {
namespace {

using std::chrono::milliseconds;
using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr milliseconds kEver(20'000);  // far beyond what loopback needs; no test waits it out
constexpr char kAnyPort[] = "tcp://127.0.0.1:*";

class RpcSecurityTest : public ::testing::Test {
 protected:
  RpcServerKeys ServerKeys() const { return {.own = server_, .clients = {client_.public_key}}; }
  RpcClientKeys ClientKeys() const { return {.server = server_.public_key, .own = client_}; }

  // Checks that the server gets no message of `stranger`, by a later message of an admitted client.
  static void ExpectUnheard(RpcServer& server, const std::function<std::unique_ptr<RpcClient>()>& admitted,
                            RpcClient& stranger) {
    ASSERT_OK(stranger.Send("let me in"));
    for (int round = 0; round < 3; ++round) {  // time for its handshake, which it tries again and again
      const auto friendly = admitted();
      ASSERT_OK(friendly->Send("hello"));
      ASSERT_OK_AND_ASSIGN(const auto message, server.Receive(kEver));
      ASSERT_TRUE(message.has_value());
      EXPECT_EQ(message->payload, "hello");
      ASSERT_OK(server.Send(message->peer, "welcome"));
      EXPECT_EQ(**friendly->Receive(kEver), "welcome");
    }
    EXPECT_FALSE(server.Receive(milliseconds(50))->has_value());
    EXPECT_FALSE(stranger.Receive(milliseconds(0))->has_value());
  }

  const RpcKeyPair server_ = NewRpcKeyPair().value();
  const RpcKeyPair client_ = NewRpcKeyPair().value();
};

TEST_F(RpcSecurityTest, MatchingKeysLetMessagesThroughBothWays) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind(kAnyPort, ServerKeys()));
  ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server->endpoint(), "rank-0", ClientKeys()));
  ASSERT_OK(client->Send("hello"));
  ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->peer, "rank-0");
  ASSERT_OK(server->Send("rank-0", "welcome"));
  EXPECT_EQ(**client->Receive(kEver), "welcome");
}

TEST_F(RpcSecurityTest, OnlyAnAdmittedClientThatExpectsThisServerIsHeard) {
  const RpcClientKeys unknown{.server = server_.public_key, .own = NewRpcKeyPair().value()};
  const RpcClientKeys mistaken{.server = NewRpcKeyPair().value().public_key, .own = client_};
  const std::pair<const char*, std::optional<RpcClientKeys>> strangers[] = {
      {"not admitted", unknown}, {"without keys", std::nullopt}, {"expects another server", mistaken}};
  for (const auto& [name, keys] : strangers) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind(kAnyPort, ServerKeys()));
    const auto admitted = [&] { return RpcClient::Connect(server->endpoint(), "friend", ClientKeys()).value(); };
    ExpectUnheard(*server, admitted, *RpcClient::Connect(server->endpoint(), "stranger", keys).value());
  }
}

TEST_F(RpcSecurityTest, AClientWithKeysDoesNotTalkToAServerWithout) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind(kAnyPort));
  const auto admitted = [&] { return RpcClient::Connect(server->endpoint(), "friend").value(); };
  ExpectUnheard(*server, admitted, *RpcClient::Connect(server->endpoint(), "careful", ClientKeys()).value());
}

// A server that wants keys resets the connection, which may be seen before its reason: the client tries again.
TEST_F(RpcSecurityTest, AClientLearnsThatItIsRefusedHoweverOftenItsConnectionWasReset) {
  const RpcKeyPair other = NewRpcKeyPair().value();
  ASSERT_OK_AND_ASSIGN(const auto with_keys, RpcServer::Bind(kAnyPort, ServerKeys()));
  ASSERT_OK_AND_ASSIGN(const auto without, RpcServer::Bind(kAnyPort));
  const auto expect_refused = [](RpcServer& server, const std::optional<RpcClientKeys>& keys) {
    ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server.endpoint(), "stranger", keys));
    EXPECT_FALSE(client->Refused());
    ASSERT_OK(client->Send("let me in"));
    while (!client->Refused()) EXPECT_FALSE(server.Receive(milliseconds(5))->has_value());
  };
  for (int round = 0; round < 20; ++round) expect_refused(*with_keys, std::nullopt);
  expect_refused(*with_keys, RpcClientKeys{.server = other.public_key, .own = client_});
  expect_refused(*with_keys, RpcClientKeys{.server = server_.public_key, .own = other});
  expect_refused(*without, ClientKeys());
}

TEST_F(RpcSecurityTest, AnAdmittedClientAndOneWithoutAServerAreNotRefused) {
  ASSERT_OK_AND_ASSIGN(auto server, RpcServer::Bind(kAnyPort, ServerKeys()));
  ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server->endpoint(), "rank-0", ClientKeys()));
  ASSERT_OK(client->Send("hello"));
  ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(client->Refused());
  server.reset();
  EXPECT_FALSE(client->Receive(milliseconds(300))->has_value());  // it connects in vain
  EXPECT_FALSE(client->Refused());
}

TEST_F(RpcSecurityTest, AServerThatAdmitsNobodyHearsNobody) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind(kAnyPort, RpcServerKeys{.own = server_}));
  ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server->endpoint(), "rank-0", ClientKeys()));
  ASSERT_OK(client->Send("hello"));
  EXPECT_FALSE(server->Receive(milliseconds(200))->has_value());
}

TEST_F(RpcSecurityTest, AServerWithoutKeysListensOnThisMachineOnly) {
  for (const char* open : {"tcp://*:*", "tcp://0.0.0.0:*", "tcp://10.0.0.1:5600", "tcp://eth0:5600", "tcp://[::]:*"}) {
    EXPECT_THAT(RpcServer::Bind(open),
                StatusIs(Code::kInvalidArgument, AllOf(HasSubstr(open), HasSubstr("tcp://127.0.0.1:PORT"))));
  }
  EXPECT_OK(RpcServer::Bind("tcp://127.0.0.2:*").status());
  EXPECT_OK(RpcServer::Bind("tcp://*:*", ServerKeys()).status());
}

TEST_F(RpcSecurityTest, MalformedKeysAreErrorsThatQuoteNoSecret) {
  RpcServerKeys server = ServerKeys();
  server.own.secret_key = "open sesame";
  EXPECT_THAT(RpcServer::Bind(kAnyPort, server), StatusIs(Code::kInvalidArgument, Not(HasSubstr("sesame"))));
  server = ServerKeys();
  server.clients.push_back("");
  EXPECT_THAT(RpcServer::Bind(kAnyPort, server), StatusIs(Code::kInvalidArgument));
  RpcClientKeys client = ClientKeys();
  client.server = std::string(40, ' ');
  EXPECT_THAT(RpcClient::Connect("tcp://127.0.0.1:5600", "a", client), StatusIs(Code::kInvalidArgument));
}

// The peer speaks ZeroMQ but not our protocol. It sends messages of no, one, three and a thousand frames, and a large
// one.
TEST_F(RpcSecurityTest, MessagesOfTheWrongShapeAreDropped) {
  ASSERT_OK_AND_ASSIGN(const auto server, RpcServer::Bind(kAnyPort));
  zmq::context_t context;
  zmq::socket_t peer(context, zmq::socket_type::dealer);
  peer.set(zmq::sockopt::linger, 0);
  peer.set(zmq::sockopt::routing_id, "raw");
  peer.connect(server->endpoint());
  const auto send = [&](int frames, std::size_t bytes) {
    for (int i = 0; i < frames; ++i)
      peer.send(zmq::buffer(std::string(bytes, 'x')),
                i + 1 < frames ? zmq::send_flags::sndmore : zmq::send_flags::none);
  };
  send(3, 10);
  send(1000, 1000);
  send(1, 0);
  send(1, std::size_t{10} << 20);
  send(1, 3);
  std::vector<std::size_t> sizes;
  while (sizes.size() < 3) {
    ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
    if (message) sizes.push_back(message->payload.size());
  }
  EXPECT_THAT(sizes, ::testing::ElementsAre(0, std::size_t{10} << 20, 3)) << "one frame each, whatever is in it";
}

// The peer does not even speak ZeroMQ.
TEST_F(RpcSecurityTest, BytesOfNoProtocolDoNoHarm) {
  for (const bool secured : {false, true}) {
    ASSERT_OK_AND_ASSIGN(const auto server,
                         secured ? RpcServer::Bind(kAnyPort, ServerKeys()) : RpcServer::Bind(kAnyPort));
    const int raw = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(server->endpoint().substr(server->endpoint().rfind(':') + 1))));
    ASSERT_EQ(::connect(raw, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string garbage(std::size_t{10} << 20, '\xfe');
    for (std::size_t sent = 0; sent < garbage.size();) {
      const ssize_t more = ::send(raw, garbage.data() + sent, garbage.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (more <= 0) break;  // it hung up on us, or takes no more
      sent += static_cast<std::size_t>(more);
    }
    ASSERT_OK_AND_ASSIGN(const auto client, RpcClient::Connect(server->endpoint(), "friend",
                                                               secured ? std::optional(ClientKeys()) : std::nullopt));
    ASSERT_OK(client->Send("hello"));
    // Without keys some bytes pass for messages of the protocol's first version: whoever parses them drops them.
    std::string heard;
    while (heard != "hello") {
      ASSERT_OK_AND_ASSIGN(const auto message, server->Receive(kEver));
      ASSERT_TRUE(message.has_value() || !secured);
      if (!message) continue;
      heard = message->payload;
      EXPECT_TRUE(heard == "hello" || !secured) << "keys keep strangers out";
    }
    ::close(raw);
  }
}

}  // namespace
}  // namespace still
