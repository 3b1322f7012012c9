// The coordinator over HTTP: status page, JSON API (routes.h), metrics. The only owner of cpp-httplib.
//
// It has threads of its own and no state of the coordinator's: everything is asked through `ask`, which any of them
// may call and which answers within a deadline (question.h). Small on purpose: one request a connection, a deadline
// and a size for all of it, a bound on how many are open; who is too many is told 503 at once.
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
  std::string token;          // required beyond loopback (access.h); letters, digits and "-._~" only
  std::string user = "web";   // who changes are made in the name of
  std::size_t threads = 8;
  std::size_t most_waiting = 64;  // connections beyond those that a thread works on
  std::size_t largest_body = 16 * 1024;
  std::size_t largest_request = 64 * 1024;             // line, headers and body
  std::chrono::milliseconds request_deadline{10'000};  // from accepting it to the last byte of the answer
};

class HttpServer {
 public:
  // Listens and serves. UNAVAILABLE: the address cannot be had; INVALID_ARGUMENT: no token beyond loopback.
  static Result<std::unique_ptr<HttpServer>> Start(HttpOptions options, Ask ask);
  // Ends at once but for requests in progress. `ask` must still answer, or be closed, until this returns.
  ~HttpServer();

  std::uint16_t port() const;
  // Of the status page, as people type it.
  const std::string& url() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace still::coordinator
