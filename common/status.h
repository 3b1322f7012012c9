// Status and Result<T>: how an expected failure crosses a module boundary.
//
// A code exists only where some caller acts on it differently. The message is for people: it says what failed, on which
// object, why, and what to do. What a caller needs beyond the code is a field, so nobody parses a message. Broken
// invariants are not statuses: see check.h.
#pragma once

#include <fmt/format.h>

#include <memory>
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
  kAlreadyExists,      // another process made it first
  kPermissionDenied,   // the operating system refused
  kDataLoss,           // bytes are torn, flipped or not what they claim to be
  kResourceExhausted,  // disk or memory is full
  kUnavailable,        // a peer or service cannot be reached; trying again may help
  kAborted,            // fenced: this process belongs to an older generation
  kCancelled,          // a person or a program asked to stop
  kInternal,           // everything a caller cannot act on
};

std::string_view CodeName(Code code);

// The place in a file of settings that an error is about. An empty string or a 0 means that the part is not known.
struct ConfigPlace {
  std::string key;   // dotted path, for example "train.epochs"
  std::string file;  // as the user named it
  int line = 0;      // both count from 1
  int column = 0;

  // Returns "file:line:column", without the parts that are not known.
  std::string ToString() const;

  friend bool operator==(const ConfigPlace&, const ConfigPlace&) = default;
};

// The outcome of an operation: success, or a code, a message and perhaps a place. Immutable. Copies share one failure,
// and a success holds nothing.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);

  bool ok() const { return failure_ == nullptr; }
  Code code() const { return ok() ? Code::kOk : failure_->code; }
  const std::string& message() const;
  // The place in a configuration that is wrong; null for every other failure.
  const ConfigPlace* place() const { return ok() || !failure_->place ? nullptr : &*failure_->place; }

  // Returns the same failure seen from one level up: "<context>: <message>". The place stays.
  Status WithContext(std::string_view context) const;
  // Returns the same failure at `place`: "<file:line:column>: <message>".
  Status At(ConfigPlace place) const;

  // Returns "DATA_LOSS: <message>", or "OK".
  std::string ToString() const;

 private:
  struct Failure {
    Code code;
    std::string message;
    std::optional<ConfigPlace> place;
  };

  std::shared_ptr<const Failure> failure_;
};

inline Status Ok() { return Status(); }

// Returns Ok for NOT_FOUND too. It is meant for files that another process may have moved or removed by now.
inline Status UnlessMissing(Status status) { return status.code() == Code::kNotFound ? Ok() : std::move(status); }

template <typename... Args>
Status Error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// Returns the exit code of a process that ends with this status: 0 done, 2 usage or configuration, 3 bad data or
// storage, 4 unavailable, 5 cancelled, 70 a bug.
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
