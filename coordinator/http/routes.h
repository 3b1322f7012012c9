// What a path, its parameters and a body ask of the coordinator. Pure.
//
//   GET  /api/VIEW?job=&pipeline=&after=&limit=            a view of service/views.h
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

// `user` is who changes are made in the name of. NOT_FOUND: no such path; INVALID_ARGUMENT: a parameter or the body.
Result<HttpQuestion> QuestionOf(const HttpRequest& request, const std::string& user);

// The HTTP status of an error.
int HttpStatusOf(Code code);
// {"code": "NOT_FOUND", "error": "..."}
std::string ErrorJson(std::string_view code, const std::string& message);

}  // namespace still::coordinator
