#include "coordinator/http/routes.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "common/enum_words.h"
#include "common/parse_number.h"
#include "common/rpc/protocol.h"

namespace still::coordinator {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestReason = 500;

std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> segments;
  std::size_t begin = path.starts_with('/') ? 1 : 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    segments.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

// Returns the number that the parameter `name` has. INVALID_ARGUMENT: it is no number, or above `most`.
Result<std::uint64_t> WholeNumber(const std::string& name, const std::string& text, std::uint64_t most) {
  std::uint64_t value = 0;
  if (ParseNumber(text, &value) && value <= most) return value;
  return Error(Code::kInvalidArgument, "{} must be a whole number up to {}", name, most);
}

Result<HttpQuestion> ViewQuestion(const HttpRequest& request, const std::string& name_of_view) {
  const std::optional<v1::ViewKind> view = EnumNamed<v1::ViewKind>(name_of_view);
  if (!view) {
    return Error(Code::kInvalidArgument, "there is no view '{}'; the views are {}", name_of_view,
                 JoinedWords<v1::ViewKind>());
  }
  HttpQuestion question;
  auto* query = question.request.mutable_query();
  query->set_view(*view);
  for (const auto& [name, text] : request.parameters) {
    if (name == "token") continue;
    STILL_ASSIGN_OR_RETURN(const std::uint64_t value,
                           WholeNumber(name, text, name == "limit" ? UINT32_MAX : UINT64_MAX));
    if (name == "job") {
      query->set_job(value);
    } else if (name == "pipeline") {
      query->set_pipeline(value);
    } else if (name == "after") {
      query->set_after(value);
    } else if (name == "limit") {
      query->set_limit(static_cast<std::uint32_t>(value));
    } else {
      return Error(Code::kInvalidArgument, "there is no parameter '{}'; the parameters are job, pipeline, after, limit",
                   name);
    }
  }
  return question;
}

Result<HttpQuestion> JobQuestion(const std::string& id, const std::string& verb) {
  const std::optional<v1::JobVerb> known = EnumNamed<v1::JobVerb>(verb);
  if (!known || *known == v1::JOB_VERB_SET_PRIORITY) {
    return Error(Code::kNotFound, "a job cannot '{}'; it can {}", verb,
                 JoinedWords<v1::JobVerb>(/*except=*/v1::JOB_VERB_SET_PRIORITY));
  }
  STILL_ASSIGN_OR_RETURN(const std::uint64_t job, WholeNumber("the job", id, UINT64_MAX));
  if (job == 0) return Error(Code::kInvalidArgument, "jobs are counted from 1");
  HttpQuestion question;
  question.request.mutable_change()->set_verb(*known);
  question.request.mutable_change()->add_jobs(job);
  return question;
}

Result<HttpQuestion> HostQuestion(const std::string& host, const std::string& verb, const std::string& body) {
  if (verb != "drain" && verb != "undrain") {
    return Error(Code::kNotFound, "a host cannot '{}'; it can drain, undrain", verb);
  }
  if (host.empty()) return Error(Code::kInvalidArgument, "the name of the host is missing");
  std::string reason;
  if (!body.empty()) {
    const json parsed = json::parse(body, nullptr, false);
    const bool object = parsed.is_object();
    const bool text = object && (!parsed.contains("reason") || parsed["reason"].is_string());
    if (!text) return Error(Code::kInvalidArgument, "the body must be JSON like {{\"reason\": \"disk swap\"}}");
    reason = parsed.value("reason", "");
  }
  if (reason.size() > kLongestReason) {
    return Error(Code::kInvalidArgument, "the reason is longer than {} bytes", kLongestReason);
  }
  HttpQuestion question;
  auto* change = question.request.mutable_change_host();
  change->set_host(host);
  change->set_drain(verb == "drain");
  change->set_reason(reason);
  return question;
}

Result<HttpQuestion> Unattributed(const HttpRequest& request) {
  const auto segments = Segments(request.path);
  const bool api = segments[0] == "api";
  if (request.method == "GET" && segments.size() == 1 && segments[0] == "metrics") {
    HttpQuestion question;
    question.metrics = true;
    return question;
  }
  if (request.method == "GET" && api && segments.size() == 2) return ViewQuestion(request, segments[1]);
  if (request.method == "POST" && api && segments.size() == 4) {
    if (segments[1] == "jobs") return JobQuestion(segments[2], segments[3]);
    if (segments[1] == "hosts") return HostQuestion(segments[2], segments[3], request.body);
  }
  return Error(Code::kNotFound, "there is nothing to {} at {}", request.method, request.path);
}

}  // namespace

Result<HttpQuestion> QuestionOf(const HttpRequest& request, const std::string& user) {
  STILL_ASSIGN_OR_RETURN(HttpQuestion question, Unattributed(request));
  if (question.metrics) return question;
  question.request.set_protocol(kProtocol);
  question.request.set_user(user);
  return question;
}

int HttpStatusOf(Code code) {
  switch (code) {
    case Code::kOk: return 200;
    case Code::kInvalidArgument: return 400;
    case Code::kPermissionDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kAlreadyExists: return 409;
    case Code::kResourceExhausted:
    case Code::kUnavailable: return 503;
    default: return 500;
  }
}

}  // namespace still::coordinator
