// Status and Result<T>: how an expected failure crosses a module boundary.
//
// A code exists only where some caller acts on it differently; everything else a reader needs is in the message,
// which says what failed, on which object, where, and what to do. Broken invariants are not statuses: see check.h.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/check.h"

namespace still {

enum class Code {
  kOk = 0,
  kInvalidArgument,    // the user's configuration or command line is wrong
  kNotFound,           // a file, artifact or record that should exist does not
  kAlreadyExists,      // somebody else made it first
  kPermissionDenied,   // the operating system refused
  kDataLoss,           // bytes are torn, flipped or not what they claim to be
  kResourceExhausted,  // disk or memory is full
  kUnavailable,        // a peer or service cannot be reached; trying again may help
  kAborted,            // fenced: this process belongs to an older generation
  kCancelled,          // someone asked to stop
  kInternal,           // everything a caller cannot act on
};

std::string_view CodeName(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure seen from one level up: "<context>: <message>".
  Status WithContext(std::string_view context) const;

  // "DATA_LOSS: <message>", or "OK".
  std::string ToString() const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status Ok() { return Status(); }

// Ok also for NOT_FOUND: of what another process may have moved or removed by now.
inline Status UnlessMissing(Status status) { return status.code() == Code::kNotFound ? Ok() : std::move(status); }

template <typename... Args>
Status Error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// The process exit code a failure maps to: 0 done, 2 usage or configuration, 3 bad data or storage, 4 unavailable,
// 5 cancelled, 70 a bug.
int ExitCode(const Status& status);

// A value, or the reason there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor): return value; reads well
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    STILL_CHECK(!status_.ok(), "a Result without a value needs an error");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & {
    STILL_CHECK(ok(), status_.ToString());
    return *value_;
  }
  const T& value() const& {
    STILL_CHECK(ok(), status_.ToString());
    return *value_;
  }
  T value() && {  // by value: in `for (x : *F())` a reference into the temporary would dangle
    STILL_CHECK(ok(), status_.ToString());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

#define STILL_CONCAT_INNER(a, b) a##b
#define STILL_CONCAT(a, b) STILL_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expr` is a failed Status.
#define STILL_RETURN_IF_ERROR(expr)              \
  do {                                           \
    ::still::Status still_status = (expr);       \
    if (!still_status.ok()) return still_status; \
  } while (false)

// STILL_ASSIGN_OR_RETURN(auto x, F()): x = the value of F(), or return its error.
#define STILL_ASSIGN_OR_RETURN(lhs, expr) STILL_ASSIGN_OR_RETURN_INNER(STILL_CONCAT(still_result_, __LINE__), lhs, expr)
#define STILL_ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) return result.status();             \
  lhs = std::move(result).value()

}  // namespace still
