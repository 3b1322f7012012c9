#include "cli/programs.h"

#include <filesystem>

#include "common/environment.h"
#include "common/storage/files.h"

namespace still::cli {

Result<std::string> ThisProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoStatus(error.value(), "cannot read", "/proc/self/exe");
  return self.string();
}

Result<std::string> FindWorker() {
  if (std::string chosen = EnvironmentValue("STILL_WORKER"); !chosen.empty()) return chosen;
  STILL_ASSIGN_OR_RETURN(const std::string self, ThisProgram());
  std::string worker = (std::filesystem::path(self).parent_path() / "still-worker").string();
  if (Exists(worker)) return worker;
  return Error(Code::kNotFound, "no worker at {}; build the target still-worker, or set STILL_WORKER to its path",
               worker);
}

}  // namespace still::cli
