#include "common/host_name.h"

#include <unistd.h>

#include "common/environment.h"

namespace still {

std::string HostName() {
  if (std::string chosen = EnvironmentValue("STILL_HOST"); !chosen.empty()) return chosen;
  char name[256] = {};  // Linux allows 64 characters
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

}  // namespace still
