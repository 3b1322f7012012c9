// Matchers for Status and Result<T>:
//   EXPECT_OK(status); ASSERT_OK(result); ASSERT_OK_AND_ASSIGN(auto x, F());
//   EXPECT_THAT(F(), StatusIs(Code::kDataLoss, HasSubstr("checksum")));
#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <string>

#include "common/status.h"

namespace still {

// Tells GoogleTest how to print them.
inline void PrintTo(const Status& status, std::ostream* out) { *out << status.ToString(); }
template <typename T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << result.status().ToString();
}
inline void PrintTo(Code code, std::ostream* out) { *out << CodeName(code); }

}  // namespace still

namespace still::testing {

inline const Status& StatusOf(const Status& status) { return status; }
template <typename T>
const Status& StatusOf(const Result<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P2(StatusIs, code, message,
           fmt::format("{} {} with a message that {}", negation ? "is not" : "is", CodeName(code),
                       ::testing::DescribeMatcher<const std::string&>(message))) {
  const Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code && ::testing::ExplainMatchResult(::testing::SafeMatcherCast<const std::string&>(message),
                                                                status.message(), result_listener);
}

inline auto StatusIs(Code code) { return StatusIs(code, ::testing::_); }

}  // namespace still::testing

#define EXPECT_OK(expression) EXPECT_THAT(expression, ::still::testing::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT(expression, ::still::testing::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expression) \
  ASSERT_OK_AND_ASSIGN_INNER(STILL_CONCAT(still_result_, __LINE__), lhs, expression)
#define ASSERT_OK_AND_ASSIGN_INNER(result, lhs, expression) \
  auto result = (expression);                               \
  ASSERT_OK(result);                                        \
  lhs = std::move(result).value()
