// Threat model: anybody who reaches the port, with or without the token, may hold a connection open, send one byte per
// second, or send without end, and must not keep the status page from others. httplib's settings bound each read and
// each header, but not a whole request. ConnectionStream, BoundedThreads and Listener therefore give each connection
// one deadline and one size, and refuse connections beyond a fixed number at once.
#include "coordinator/http/http_server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/log.h"
#include "coordinator/http/access.h"
#include "coordinator/http/page_files.h"
#include "coordinator/http/routes.h"
#include "coordinator/views/metrics_text.h"
#include "coordinator/views/view_json.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLongestTarget = 1024;
constexpr char kJson[] = "application/json";

const char* ContentTypeOf(std::string_view file) {
  if (file.ends_with(".html")) return "text/html; charset=utf-8";
  return file.ends_with(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8";
}

// One connection. All reads and writes together have one deadline, and all reads have one size.
class ConnectionStream : public httplib::Stream {
 public:
  ConnectionStream(int socket, const HttpOptions& options, const Clock& clock)
      : socket_(socket),
        clock_(clock),
        deadline_(clock.Now() + options.request_deadline),
        bytes_left_(options.largest_request) {}
  ~ConnectionStream() override { Close(); }

  bool is_readable() const override { return Poll(POLLIN); }
  bool is_writable() const override { return Poll(POLLOUT); }

  ssize_t read(char* to, std::size_t size) override {
    if (begin_ == end_) {
      const std::size_t wanted = std::min(buffer_.size(), bytes_left_);
      if (wanted == 0 || !is_readable()) return -1;
      const ssize_t got = ::recv(socket_, buffer_.data(), wanted, 0);
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
      bytes_left_ -= end_;
    }
    const std::size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    if (!is_writable()) return -1;
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  // httplib asks for addresses, and nothing here uses them.
  void get_remote_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  void get_local_ip_and_port(std::string& /*ip*/, int& port) const override { port = 0; }
  socket_t socket() const override { return socket_; }

 private:
  bool Poll(short events) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - clock_.Now()).count();
      if (left <= 0) return false;
      pollfd one{.fd = socket_, .events = events, .revents = 0};
      const int ready = ::poll(&one, 1, static_cast<int>(left));
      if (ready < 0 && errno == EINTR) continue;
      return ready > 0;
    }
  }

  // Reads what the client still sends for a moment. Closing over unread bytes would reset the connection, and the
  // client would lose the answer.
  void Close() {
    ::shutdown(socket_, SHUT_WR);
    for (int i = 0; i < 64; ++i) {
      pollfd one{.fd = socket_, .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, 50) <= 0 || ::recv(socket_, buffer_.data(), buffer_.size(), 0) <= 0) break;
    }
    ::close(socket_);
  }

  const int socket_;
  const Clock& clock_;
  const Clock::TimePoint deadline_;
  std::size_t bytes_left_;
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// True while the accepting thread runs a connection for which no thread is free.
thread_local bool refuse_connection = false;

// A fixed number of threads behind a bounded queue.
class BoundedThreads : public httplib::TaskQueue {
 public:
  BoundedThreads(std::size_t threads, std::size_t most_waiting) : pool_(threads), most_(threads + most_waiting) {}

  void enqueue(std::function<void()> connection) override {
    if (open_.load() >= most_) {
      refuse_connection = true;
      connection();
      refuse_connection = false;
      return;
    }
    ++open_;
    pool_.enqueue([this, run = std::move(connection)] {
      run();
      --open_;
    });
  }
  void shutdown() override { pool_.shutdown(); }

 private:
  httplib::ThreadPool pool_;
  const std::size_t most_;
  std::atomic<std::size_t> open_{0};
};

// httplib's server, with a ConnectionStream per connection.
class Listener : public httplib::Server {
 public:
  explicit Listener(const HttpOptions& options) : options_(options) {}

 private:
  bool process_and_close_socket(socket_t socket) override {
    if (refuse_connection) {
      static constexpr std::string_view kRefusal =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
      (void)!::send(socket, kRefusal.data(), kRefusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(socket);
      return false;
    }
    ConnectionStream stream(socket, options_, Clock::System());
    bool closed = false;
    return process_request(stream, /*close_connection=*/true, closed, nullptr);
  }

  const HttpOptions& options_;
};

void AnswerError(int http_status, const Status& error, httplib::Response* response) {
  response->status = http_status;
  response->set_content(ErrorJson(error), kJson);
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, Ask ask) : options_(std::move(options)), ask_(std::move(ask)), server_(options_) {
    rules_ = {.loopback = IsLoopbackName(options_.address), .token = options_.token};
    Configure();
  }

  ~Impl() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status Start() {
    if (!rules_.loopback && rules_.token.empty()) {
      return Error(Code::kInvalidArgument,
                   "HTTP on {} is reachable from other machines and needs a token: serve with keys, or on 127.0.0.1",
                   options_.address);
    }
    const bool bound = options_.port == 0 ? (port_ = server_.bind_to_any_port(options_.address)) > 0
                                          : server_.bind_to_port(options_.address, port_ = options_.port);
    if (!bound) {
      return Error(Code::kUnavailable,
                   "cannot serve HTTP on {}:{}: the port is taken or the address is not of this machine; choose "
                   "another with --http-port (0: any free one) or --http, or do without: --no-http",
                   options_.address, options_.port);
    }
    rules_.cookie = fmt::format("stillhouse_token_{}", port_);
    const bool six = options_.address.find(':') != std::string::npos;
    url_ = fmt::format("http://{}{}{}:{}/", six ? "[" : "", options_.address, six ? "]" : "", port_);
    thread_ = std::thread([this] {
      if (!server_.listen_after_bind()) LogWarn("HTTP on {} has ended: its socket failed", url_);
      ended_ = true;
    });
    // stop() has no effect before the server runs.
    while (!server_.is_running() && !ended_) Clock::System().SleepFor(milliseconds(1));
    return Ok();
  }

  int port() const { return port_; }
  const std::string& url() const { return url_; }

 private:
  void Configure() {
    server_.new_task_queue = [this] { return new BoundedThreads(options_.threads, options_.most_waiting); };
    // By default, httplib would share the port with a second server.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server_.set_payload_max_length(options_.largest_body);
    server_.set_default_headers(
        {{"Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
         {"X-Content-Type-Options", "nosniff"},
         {"X-Frame-Options", "DENY"},
         {"Referrer-Policy", "no-referrer"},
         {"Cross-Origin-Resource-Policy", "same-origin"},
         {"Cache-Control", "no-store"}});
    server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      using Response = httplib::Server::HandlerResponse;
      return Admit(request, &response) ? Response::Unhandled : Response::Handled;
    });
    server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty())
        AnswerError(response.status, Error(Code::kInvalidArgument, "not a valid request"), &response);
    });
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      AnswerError(500, Error(Code::kInternal, "the request could not be answered"), &response);
    });
    const auto serve = [this](const httplib::Request& request, httplib::Response& response) {
      Serve(request, &response);
    };
    server_.Get("/.*", serve);
    server_.Post("/.*", serve);
  }

  // Answers everything that can be refused before the body is read. Returns true if the request may go on.
  bool Admit(const httplib::Request& request, httplib::Response* response) const {
    if (request.target.size() > kLongestTarget) {
      AnswerError(414, Error(Code::kInvalidArgument, "the address is too long"), response);
      return false;
    }
    const bool posts = request.method == "POST";
    if (!posts && request.method != "GET" && request.method != "HEAD") {
      AnswerError(405, Error(Code::kInvalidArgument, "only GET and POST are answered"), response);
      return false;
    }
    if (posts && (!request.has_header("Content-Length") || request.has_header("Transfer-Encoding"))) {
      AnswerError(411, Error(Code::kInvalidArgument, "a POST needs a Content-Length"), response);
      return false;
    }
    if (request.has_header("Range") || request.get_header_value_count("Host") > 1) {
      AnswerError(400, Error(Code::kInvalidArgument, "ranges and several hosts are not served"), response);
      return false;
    }
    const AccessVerdict verdict = CheckAccess(rules_, {.method = request.method,
                                                       .host = request.get_header_value("Host"),
                                                       .authorization = request.get_header_value("Authorization"),
                                                       .cookie = request.get_header_value("Cookie"),
                                                       .token_parameter = request.get_param_value("token"),
                                                       .stillhouse_header = request.get_header_value("X-Stillhouse")});
    if (!verdict.granted()) {
      if (verdict.http_status == 401) response->set_header("WWW-Authenticate", "Bearer");
      AnswerError(verdict.http_status, Status(Code::kPermissionDenied, verdict.message), response);
      return false;
    }
    if (verdict.set_cookie) response->set_header("Set-Cookie", TokenCookie(rules_));
    return true;
  }

  void Serve(const httplib::Request& request, httplib::Response* response) const {
    const auto file = PageFiles().find(request.path == "/" ? "status_page.html" : request.path.substr(1));
    if (file != PageFiles().end() && request.method != "POST") {
      response->set_content(file->second.data(), file->second.size(), ContentTypeOf(file->first));
      return;
    }
    HttpRequest asked{.method = request.method == "HEAD" ? "GET" : request.method, .path = request.path};
    for (const auto& [name, value] : request.params) asked.parameters[name] = value;
    asked.body = request.body;
    const auto question = QuestionOf(asked, options_.user);
    const auto answer = question.ok() ? ask_(*question) : Result<std::string>(question.status());
    if (!answer.ok()) {
      AnswerError(HttpStatusOf(answer.status().code()), answer.status(), response);
      return;
    }
    response->set_content(*answer, question->metrics ? kMetricsContentType : kJson);
  }

  const HttpOptions options_;
  const Ask ask_;
  AccessRules rules_;
  Listener server_;
  int port_ = 0;
  std::string url_;
  std::thread thread_;
  std::atomic<bool> ended_{false};
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpOptions options, Ask ask) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(ask));
  STILL_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return static_cast<std::uint16_t>(impl_->port()); }
const std::string& HttpServer::url() const { return impl_->url(); }

}  // namespace still::coordinator
