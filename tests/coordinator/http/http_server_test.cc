#include "coordinator/http/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "coordinator/http/page_files.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using still::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A connection that sends any bytes, as a browser, an attacker or a broken client does.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;  // the server has closed; its answer can still be read
      sent += static_cast<std::size_t>(count);
    }
  }
  void EndInput() { ::shutdown(socket_, SHUT_WR); }
  // Reads up to the end of the connection.
  std::string Receive() {
    std::string all;
    char buffer[4096];
    for (ssize_t count; (count = ::recv(socket_, buffer, sizeof(buffer), 0)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(count));
    }
    return all;
  }

 private:
  const int socket_;
};

// Returns the status code of an answer, or 0 when it has none.
int HttpStatus(const std::string& answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  return answer.starts_with(kVersion) ? std::atoi(answer.c_str() + kVersion.size()) : 0;
}
std::string BodyOf(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpOptions options = {}) {
    options.port = 0;
    auto started = HttpServer::Start(options, [this](const HttpQuestion& question) { return Answer(question); });
    ASSERT_OK(started);
    server_ = std::move(started).value();
  }

  Result<std::string> Answer(const HttpQuestion& question) {
    std::unique_lock<std::mutex> lock(mutex_);
    asked_.push_back(question);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !blocked_; });
    if (!failure_.ok()) return failure_;
    return std::string("{\"answer\":1}");
  }
  void Block(bool blocked) {
    const std::unique_lock<std::mutex> lock(mutex_);
    blocked_ = blocked;
    changed_.notify_all();
  }
  void WaitForQuestions(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

  std::string Exchange(const std::string& request) {
    Connection connection(server_->port());
    connection.Send(request);
    return connection.Receive();
  }
  std::string Get(const std::string& path, const std::string& headers = "Host: localhost\r\n") {
    return Exchange("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n");
  }
  std::string Post(const std::string& path, const std::string& body = "", const std::string& headers = "") {
    return Exchange("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nX-Stillhouse: 1\r\n" + headers +
                    fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HttpQuestion> asked_;
  int waiting_ = 0;
  bool blocked_ = false;
  Status failure_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, PageComesWithItsFilesAndLoadsNothingFromOutside) {
  Start();
  const std::string page = Get("/");
  EXPECT_EQ(HttpStatus(page), 200);
  EXPECT_THAT(page, HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self'"));
  EXPECT_THAT(page, HasSubstr("X-Content-Type-Options: nosniff"));
  EXPECT_THAT(page, HasSubstr("<title>Stillhouse</title>"));
  for (const auto& [file, contents] : PageFiles()) {
    EXPECT_THAT(Get(fmt::format("/{}", file)), StartsWith("HTTP/1.1 200")) << file;
    if (file == "status_page.html") continue;
    EXPECT_THAT(page, HasSubstr(fmt::format("\"{}\"", file)));
  }
  EXPECT_THAT(BodyOf(page), Not(HasSubstr("https://")));
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(HttpServerTest, ViewsMetricsAndChangesAreAsked) {
  Start();
  EXPECT_EQ(BodyOf(Get("/api/queue?limit=3")), "{\"answer\":1}");
  EXPECT_THAT(Get("/metrics"), HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_EQ(HttpStatus(Post("/api/jobs/7/cancel")), 200);
  EXPECT_EQ(HttpStatus(Post("/api/hosts/a%20b/drain", "{\"reason\":\"x\"}")), 200);
  ASSERT_EQ(asked_.size(), 4u);
  EXPECT_EQ(asked_[0].request.query().view(), v1::VIEW_KIND_QUEUE);
  EXPECT_EQ(asked_[0].request.query().limit(), 3u);
  EXPECT_TRUE(asked_[1].metrics);
  EXPECT_EQ(asked_[2].request.change().jobs(0), 7u);
  EXPECT_EQ(asked_[3].request.change_host().host(), "a b");
}

TEST_F(HttpServerTest, ErrorsAreJsonWithAStatus) {
  Start();
  EXPECT_EQ(HttpStatus(Get("/nothing")), 404);
  EXPECT_EQ(HttpStatus(Get("/api/queue?limit=x")), 400);
  for (const auto& [code, status] : {std::pair(Code::kNotFound, 404), std::pair(Code::kUnavailable, 503),
                                     std::pair(Code::kInvalidArgument, 400), std::pair(Code::kInternal, 500)}) {
    failure_ = Error(code, "a \"quoted\" word");
    const std::string answer = Get("/api/queue");
    EXPECT_EQ(HttpStatus(answer), status);
    EXPECT_EQ(nlohmann::json::parse(BodyOf(answer))["error"], "a \"quoted\" word");
    EXPECT_EQ(nlohmann::json::parse(BodyOf(answer))["code"], CodeName(code));
  }
}

TEST_F(HttpServerTest, OtherPagesCanNeitherReadNorChange) {
  Start();
  EXPECT_EQ(HttpStatus(Get("/api/queue", "Host: evil.example\r\n")), 421);
  EXPECT_EQ(HttpStatus(Get("/api/queue", "")), 421);
  EXPECT_EQ(HttpStatus(Get("/api/queue", "Host: localhost\r\nHost: evil.example\r\n")), 400);
  EXPECT_EQ(HttpStatus(Exchange("POST /api/jobs/7/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")),
            403);
  EXPECT_EQ(HttpStatus(Get("/api/jobs/7/cancel")), 404);
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(HttpServerTest, TokenIsNeededForEverythingAndBecomesACookie) {
  Start({.token = "s3cret"});
  for (const char* path : {"/", "/api/queue", "/metrics", "/status_page.js"}) {
    EXPECT_EQ(HttpStatus(Get(path)), 401) << path;
  }
  const std::string page = Get("/?token=s3cret");
  const std::string cookie = fmt::format("stillhouse_token_{}=s3cret", server_->port());
  EXPECT_EQ(HttpStatus(page), 200);
  EXPECT_THAT(page, HasSubstr("Set-Cookie: " + cookie + "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"));
  EXPECT_EQ(HttpStatus(Get("/api/queue", "Host: localhost\r\nCookie: " + cookie + "\r\n")), 200);
  EXPECT_EQ(HttpStatus(Get("/metrics", "Host: localhost\r\nAuthorization: Bearer s3cret\r\n")), 200);
}

TEST_F(HttpServerTest, BeyondLoopbackWithoutATokenDoesNotStart) {
  const auto started = HttpServer::Start({.address = "0.0.0.0", .port = 0}, nullptr);
  EXPECT_THAT(started, StatusIs(Code::kInvalidArgument));
}

TEST_F(HttpServerTest, TakenPortIsUnavailableAndSaysWhatToDo) {
  Start();
  const auto second = HttpServer::Start({.port = server_->port()}, nullptr);
  EXPECT_THAT(second, StatusIs(Code::kUnavailable, HasSubstr("--http-port")));
  EXPECT_THAT(HttpServer::Start({.address = "192.0.2.1", .port = 0, .token = "x"}, nullptr),
              StatusIs(Code::kUnavailable));
}

TEST_F(HttpServerTest, SizesAreBounded) {
  Start({.largest_body = 100, .largest_request = 8000});
  EXPECT_EQ(HttpStatus(Post("/api/hosts/a/drain", std::string(101, ' '))), 413);
  EXPECT_EQ(HttpStatus(Get("/api/" + std::string(2000, 'x'))), 414);
  // The headers are larger than a request may be, so the connection is closed.
  std::string headers = "Host: localhost\r\n";
  for (int i = 0; i < 2000; ++i) headers += fmt::format("X-{}: y\r\n", i);
  EXPECT_NE(HttpStatus(Get("/api/queue", headers)), 200);
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_EQ(HttpStatus(Get("/api/queue")), 200);
}

TEST_F(HttpServerTest, MalformedRequestsAreRefusedAndTheServerGoesOn) {
  Start();
  for (const char* request :
       {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "BREW / HTTP/1.1\r\n\r\n",
        "GET /%zz%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "POST /api/jobs/7/cancel HTTP/1.1\r\nHost: localhost\r\nX-Stillhouse: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PUT /api/queue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "GET /api/queue HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,2-3\r\n\r\n"}) {
    Connection connection(server_->port());
    connection.Send(request);
    connection.EndInput();
    EXPECT_THAT(connection.Receive(), Not(HasSubstr("HTTP/1.1 200"))) << request;
  }
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_EQ(HttpStatus(Get("/api/queue")), 200);
}

TEST_F(HttpServerTest, SlowClientIsCutOffAtTheDeadline) {
  Start({.threads = 1, .request_deadline = std::chrono::milliseconds(1000)});
  Connection slow(server_->port());
  slow.Send("GET /api/queue HTTP/1.1\r\nHost: local");
  EXPECT_NE(HttpStatus(slow.Receive()), 200);
  EXPECT_EQ(HttpStatus(Get("/api/queue")), 200);
}

TEST_F(HttpServerTest, OneConnectionTooManyIsRefusedAtOnce) {
  Start({.threads = 1, .most_waiting = 1});
  Block(true);
  const std::string request = "GET /api/queue HTTP/1.1\r\nHost: localhost\r\n\r\n";
  Connection served(server_->port());
  served.Send(request);
  WaitForQuestions(1);
  Connection waits(server_->port());
  waits.Send(request);
  EXPECT_EQ(HttpStatus(Get("/api/queue")), 503);
  Block(false);
  EXPECT_EQ(HttpStatus(served.Receive()), 200);
  EXPECT_EQ(HttpStatus(waits.Receive()), 200);
}

TEST_F(HttpServerTest, EndsWithConnectionsOpen) {
  Start({.request_deadline = std::chrono::milliseconds(300)});
  Connection idle(server_->port());
  EXPECT_THAT(server_->url(), StartsWith("http://127.0.0.1:"));
  server_.reset();
  EXPECT_EQ(idle.Receive(), "");
}

}  // namespace
}  // namespace still::coordinator
