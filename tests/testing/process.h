// Programs under test, run as real processes.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace still::testing {

struct ProcessResult {
  int exit_code = -1;  // -1 when it ended by a signal
  int signal = 0;
  std::string out;  // standard output
  std::string err;  // standard error
};

// A child in a process group of its own; killed with its group when this is destroyed. stdout and stderr go to files.
class Process {
 public:
  // `environment` is added to ours. The first argument is the program's path.
  explicit Process(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  // What it wrote so far, both streams.
  std::string Output() const;
  void SignalSelf(int signal) const;   // this process only
  void SignalGroup(int signal) const;  // everything it started, too, unless that made groups of its own
  ProcessResult Wait();

 private:
  std::string directory_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

ProcessResult Run(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment = {});

}  // namespace still::testing
