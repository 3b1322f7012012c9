#include "tests/testing/process_tree.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace still::testing {
namespace {

// /proc/<pid>/stat: "pid (name) state parent ..."; the name may hold blanks and parentheses.
bool ReadStat(const std::string& path, RunningProcess* process) {
  std::ifstream file(path);
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return false;
  process->pid = static_cast<pid_t>(std::stol(text));
  process->name = text.substr(open + 1, close - open - 1);
  char state = 0;
  std::istringstream(text.substr(close + 1)) >> state >> process->parent;
  return state != 'Z' && state != 'X';
}

}  // namespace

std::vector<RunningProcess> Descendants(pid_t root) {
  std::vector<RunningProcess> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    RunningProcess process;
    if (std::isdigit(static_cast<unsigned char>(name[0])) != 0 && ReadStat(entry.path().string() + "/stat", &process))
      all.push_back(process);
  }
  std::vector<RunningProcess> found;
  std::vector<pid_t> parents = {root};
  for (std::size_t i = 0; i < parents.size(); ++i) {
    for (const RunningProcess& process : all) {
      if (process.parent != parents[i]) continue;
      found.push_back(process);
      parents.push_back(process.pid);
    }
  }
  return found;
}

std::vector<pid_t> DescendantsNamed(pid_t root, const std::string& name) {
  std::vector<pid_t> pids;
  for (const RunningProcess& process : Descendants(root)) {
    if (process.name == name) pids.push_back(process.pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace still::testing
