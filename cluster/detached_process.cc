#include "cluster/detached_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <memory>

#include "cluster/environment.h"
#include "common/check.h"
#include "common/storage/files.h"

namespace still::cluster {
namespace {

constexpr int kHeldAs = 3;

struct FileActions {
  FileActions() { STILL_CHECK(posix_spawn_file_actions_init(&actions) == 0, "out of memory"); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t actions;
};

struct Attributes {
  Attributes() { STILL_CHECK(posix_spawnattr_init(&attributes) == 0, "out of memory"); }
  ~Attributes() { posix_spawnattr_destroy(&attributes); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t attributes;
};

}  // namespace

Result<pid_t> StartDetached(const Command& command, const std::string& log_path, int held_fd) {
  FileActions files;
  int error = posix_spawn_file_actions_addopen(&files.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (error == 0)
    error = posix_spawn_file_actions_addopen(&files.actions, STDOUT_FILENO, log_path.c_str(),
                                             O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&files.actions, STDOUT_FILENO, STDERR_FILENO);
  if (error == 0 && held_fd >= 0) error = posix_spawn_file_actions_adddup2(&files.actions, held_fd, kHeldAs);
  if (error == 0)
    error = posix_spawn_file_actions_addclosefrom_np(&files.actions, held_fd >= 0 ? kHeldAs + 1 : kHeldAs);

  Attributes attributes;
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  if (error == 0)
    error = posix_spawnattr_setflags(&attributes.attributes,
                                     POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes.attributes, &none);
  if (error == 0) error = posix_spawnattr_setsigdefault(&attributes.attributes, &all);

  std::vector<std::string> argv = command.argv;
  std::vector<std::string> environment = MergedEnvironment(command.environment);
  pid_t pid = 0;
  if (error == 0)
    error = posix_spawn(&pid, argv[0].c_str(), &files.actions, &attributes.attributes, Pointers(argv).data(),
                        Pointers(environment).data());
  if (error != 0) return ErrnoStatus(error, "cannot start", argv[0]);
  return pid;
}

}  // namespace still::cluster
