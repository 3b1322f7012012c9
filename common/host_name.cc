#include "common/host_name.h"

#include <unistd.h>

#include <cstdlib>

namespace still {

std::string HostName() {
  if (const char* chosen = std::getenv("STILL_HOST"); chosen != nullptr && *chosen != '\0') return chosen;
  char name[256] = {};  // the longest that Linux has is 64
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

}  // namespace still
