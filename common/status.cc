#include "common/status.h"

#include <cstdio>
#include <cstdlib>

namespace still {

void CheckFailed(const char* file, int line, const char* condition, std::string_view message) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s: %.*s\n", file, line, condition, static_cast<int>(message.size()),
               message.data());
  std::fflush(stderr);
  std::abort();
}

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kNotFound: return "NOT_FOUND";
    case Code::kAlreadyExists: return "ALREADY_EXISTS";
    case Code::kPermissionDenied: return "PERMISSION_DENIED";
    case Code::kDataLoss: return "DATA_LOSS";
    case Code::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case Code::kUnavailable: return "UNAVAILABLE";
    case Code::kAborted: return "ABORTED";
    case Code::kCancelled: return "CANCELLED";
    case Code::kInternal: return "INTERNAL";
  }
  return "UNKNOWN";
}

std::string ConfigPlace::ToString() const {
  if (line == 0) return file;
  return column == 0 ? fmt::format("{}:{}", file, line) : fmt::format("{}:{}:{}", file, line, column);
}

Status::Status(Code code, std::string message) {
  if (code != Code::kOk) failure_ = std::make_shared<const Failure>(Failure{code, std::move(message), std::nullopt});
}

const std::string& Status::message() const {
  static const std::string kNone;
  return ok() ? kNone : failure_->message;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  Status wider;
  wider.failure_ =
      std::make_shared<const Failure>(Failure{code(), fmt::format("{}: {}", context, message()), failure_->place});
  return wider;
}

Status Status::At(ConfigPlace place) const {
  if (ok()) return *this;
  Status placed;
  const std::string where = place.ToString();
  placed.failure_ = std::make_shared<const Failure>(
      Failure{code(), where.empty() ? message() : fmt::format("{}: {}", where, message()), std::move(place)});
  return placed;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return fmt::format("{}: {}", CodeName(code()), message());
}

int ExitCode(const Status& status) {
  switch (status.code()) {
    case Code::kOk: return 0;
    case Code::kInvalidArgument: return 2;
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kPermissionDenied:
    case Code::kDataLoss:
    case Code::kResourceExhausted: return 3;
    case Code::kUnavailable:
    case Code::kAborted: return 4;
    case Code::kCancelled: return 5;
    case Code::kInternal: return 70;
  }
  return 70;
}

}  // namespace still
