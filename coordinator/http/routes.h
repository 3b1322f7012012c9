// Turns a path, its parameters and a body into a question for the coordinator. Pure.
//
//   GET  /api/VIEW?job=&pipeline=&after=&limit=            a View of common/proto/view.proto
//   GET  /metrics                                          Prometheus
//   POST /api/jobs/ID/cancel|hold|release|requeue
//   POST /api/hosts/NAME/drain|undrain                     body: {"reason": "disk swap"}
#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "coordinator/http/question.h"

namespace still::coordinator {

struct HttpRequest {
  std::string method;  // "GET", "POST"
  std::string path;    // decoded, without parameters
  std::map<std::string, std::string> parameters;
  std::string body;
};

// Returns the question. `user` is recorded as who made a change. NOT_FOUND: there is no such path. INVALID_ARGUMENT:
// the view, a parameter or the body is wrong.
Result<HttpQuestion> QuestionOf(const HttpRequest& request, const std::string& user);

// Returns the HTTP status of an error.
int HttpStatusOf(Code code);

}  // namespace still::coordinator
