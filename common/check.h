// STILL_CHECK ends the process at a broken invariant, in release builds too. It prints place and condition, then
// aborts. Under MPI an abort is also the only kind of exit that the other ranks notice.
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
