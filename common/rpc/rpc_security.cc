#include "common/rpc/rpc_security.h"

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "common/log.h"

namespace still {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kKeyText = 40;  // Z85

constexpr std::size_t kRefusedRemembered = 100;

// The frames of a question. The credentials follow the mechanism.
constexpr std::size_t kVersion = 0, kRequest = 1, kAddress = 3, kMechanism = 5, kClientKey = 6, kFrames = 7;

// Returns the 32 bytes of a key. An error quotes no secret key.
Result<std::string> Decode(const std::string& key, std::string_view whose) {
  std::array<std::uint8_t, kKeyBytes> bytes;
  if (key.size() != kKeyText || zmq_z85_decode(bytes.data(), key.c_str()) == nullptr)
    return Error(Code::kInvalidArgument, "{} is no CURVE key (40 characters of Z85); `still keys new` makes some",
                 whose);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "[::1]" || host == "localhost";
}

}  // namespace

Result<RpcKeyPair> NewRpcKeyPair() {
  std::array<char, kKeyText + 1> public_key, secret_key;
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
    return Error(Code::kInternal, "libzmq makes no CURVE keys ({}): it was built without libsodium",
                 zmq_strerror(errno));
  return RpcKeyPair{public_key.data(), secret_key.data()};
}

namespace internal {

Status CheckOpenEndpoint(const std::string& endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (!endpoint.starts_with(kTcp)) return Ok();  // it is local to this machine, or no endpoint at all
  const std::string host = endpoint.substr(kTcp.size(), endpoint.rfind(':') - kTcp.size());
  if (IsLoopback(host)) return Ok();
  return Error(Code::kInvalidArgument,
               "cannot listen at {} without keys, because any client could connect: serve with keys, or listen at "
               "tcp://127.0.0.1:PORT",
               endpoint);
}

Status SetClientKeys(const RpcClientKeys& keys, zmq::socket_t& socket) {
  STILL_RETURN_IF_ERROR(Decode(keys.server, "the server's public key").status());
  STILL_RETURN_IF_ERROR(Decode(keys.own.public_key, "the client's public key").status());
  STILL_RETURN_IF_ERROR(Decode(keys.own.secret_key, "the client's secret key").status());
  socket.set(zmq::sockopt::curve_serverkey, keys.server);
  socket.set(zmq::sockopt::curve_publickey, keys.own.public_key);
  socket.set(zmq::sockopt::curve_secretkey, keys.own.secret_key);
  return Ok();
}

Result<std::unique_ptr<Admission>> Admission::Create(const RpcServerKeys& keys, zmq::context_t& context,
                                                     zmq::socket_t& server) {
  STILL_RETURN_IF_ERROR(Decode(keys.own.secret_key, "the server's secret key").status());
  std::set<std::string> clients;
  for (const std::string& client : keys.clients) {
    STILL_ASSIGN_OR_RETURN(std::string key, Decode(client, "an admitted client's public key"));
    clients.insert(std::move(key));
  }
  auto admission = std::unique_ptr<Admission>(new Admission(std::move(clients), context));
  server.set(zmq::sockopt::curve_server, true);
  server.set(zmq::sockopt::curve_secretkey, keys.own.secret_key);
  server.set(zmq::sockopt::zap_domain, "stillhouse");
  return admission;
}

Admission::Admission(std::set<std::string> clients, zmq::context_t& context)
    : clients_(std::move(clients)), socket_(context, zmq::socket_type::router) {
  socket_.set(zmq::sockopt::linger, 0);
  socket_.bind("inproc://zeromq.zap.01");
}

void Admission::Answer() {
  while (true) {
    std::vector<std::string> route;  // to the asker: the frames up to an empty one
    std::vector<std::string> question;
    bool in_route = true;
    zmq::message_t frame;
    do {
      if (!socket_.recv(frame, zmq::recv_flags::dontwait)) return;
      std::string bytes = frame.to_string();
      if (!in_route) {
        question.push_back(std::move(bytes));
        continue;
      }
      in_route = !bytes.empty();
      route.push_back(std::move(bytes));
    } while (frame.more());
    if (question.size() < kFrames) continue;  // libzmq asks no such question
    for (const std::string& part : route) socket_.send(zmq::buffer(part), zmq::send_flags::sndmore);
    const std::string verdict = Verdict(question);
    for (const std::string& part : {std::string("1.0"), question[kRequest], verdict, std::string(), std::string()})
      socket_.send(zmq::buffer(part), zmq::send_flags::sndmore);
    socket_.send(zmq::buffer(std::string_view()), zmq::send_flags::none);
  }
}

std::string Admission::Verdict(const std::vector<std::string>& question) {
  if (question[kVersion] == "1.0" && question[kMechanism] == "CURVE" && clients_.contains(question[kClientKey]))
    return "200";
  // A refused client comes back several times per second, so it is logged once.
  if (refused_.size() < kRefusedRemembered && refused_.insert(question[kClientKey]).second)
    LogWarn("refused a client at {}: its key is not admitted here", question[kAddress]);
  return "400";
}

}  // namespace internal
}  // namespace still
