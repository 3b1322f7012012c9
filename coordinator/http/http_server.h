// The coordinator over HTTP: status page, JSON API (routes.h), metrics. The only owner of cpp-httplib.
//
// It has threads of its own and none of the coordinator's state. Its threads ask everything through `ask`, which
// answers within a deadline (question.h). A connection carries one request, with one deadline and one size. The number
// of open connections is bounded, and one too many gets 503 at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/status.h"
#include "coordinator/http/question.h"

namespace still::coordinator {

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 5680;  // 0: a free one
  std::string token;          // required beyond loopback (access.h); letters, digits and "-._~"
  std::string user = "web";   // recorded as who made a change
  std::size_t threads = 8;
  std::size_t most_waiting = 64;  // connections that wait for a thread
  std::size_t largest_body = 16 * 1024;
  std::size_t largest_request = 64 * 1024;             // line, headers and body
  std::chrono::milliseconds request_deadline{10'000};  // from accepting it to the last byte of the answer
};

// The server. Start and the destructor belong to one thread.
class HttpServer {
 public:
  // Listens and serves. UNAVAILABLE: the address cannot be bound. INVALID_ARGUMENT: no token beyond loopback.
  static Result<std::unique_ptr<HttpServer>> Start(HttpOptions options, Ask ask);
  // Waits for the requests in progress. `ask` must answer, or be closed, until this returns.
  ~HttpServer();

  std::uint16_t port() const;
  // Returns the address of the status page.
  const std::string& url() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace still::coordinator
