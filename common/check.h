// STILL_CHECK: a broken invariant is a bug, in release builds too. It prints where and what, then aborts, which under
// MPI is also the only kind of exit that peers notice.
#pragma once

#include <string_view>

namespace still {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, std::string_view message);

}  // namespace still

#define STILL_CHECK(condition, message)                              \
  do {                                                               \
    if (!(condition)) [[unlikely]]                                   \
      ::still::CheckFailed(__FILE__, __LINE__, #condition, message); \
  } while (false)
