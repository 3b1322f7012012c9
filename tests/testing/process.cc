#include "tests/testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/check.h"

namespace still::testing {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void Redirect(const std::string& path, int to_fd) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0 || dup2(fd, to_fd) < 0) _exit(127);
  close(fd);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment) {
  std::string pattern = (std::filesystem::temp_directory_path() / "still-process-XXXXXX").string();
  STILL_CHECK(mkdtemp(pattern.data()) != nullptr, "cannot make a temporary directory");
  directory_ = pattern;
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  STILL_CHECK(pid_ >= 0, "cannot fork");
  if (pid_ == 0) {
    setpgid(0, 0);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    Redirect("/dev/null", STDIN_FILENO);
    Redirect(directory_ + "/out", STDOUT_FILENO);
    Redirect(directory_ + "/err", STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  setpgid(pid_, pid_);
}

Process::~Process() {
  if (!reaped_) {
    SignalGroup(SIGKILL);
    Wait();
  }
  std::filesystem::remove_all(directory_);
}

bool Process::Running() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !reaped_;
}

std::string Process::Output() const { return ReadAll(directory_ + "/out") + ReadAll(directory_ + "/err"); }

void Process::SignalSelf(int signal) const { kill(pid_, signal); }

void Process::SignalGroup(int signal) const { kill(-pid_, signal); }

ProcessResult Process::Wait() {
  if (!reaped_) {
    waitpid(pid_, &status_, 0);
    reaped_ = true;
  }
  ProcessResult result;
  if (WIFEXITED(status_)) result.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) result.signal = WTERMSIG(status_);
  result.out = ReadAll(directory_ + "/out");
  result.err = ReadAll(directory_ + "/err");
  return result;
}

ProcessResult Run(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment) {
  return Process(argv, environment).Wait();
}

}  // namespace still::testing
