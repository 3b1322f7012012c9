// Directories for what running processes share and nobody wants after them: the files of an mpirun and its ranks.
#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace still {

// In the environment of the processes that share one: its path.
inline constexpr const char* kScratchVariable = "STILL_SCRATCH";

// One such directory, held: by a shared lock on it, which the kernel lets go when the holder dies, however that
// happens. The maker's removes it with all that is in it; what a maker leaves that was killed goes by RemoveAbandoned.
// Owned by one thread; children that are forked hold it as well.
class ScratchDirectory {
 public:
  // "<parent>/<prefix>XXXXXX", a name that nobody else has, for this user alone.
  static Result<ScratchDirectory> Create(const std::string& parent, std::string_view prefix);
  // One that another process made, for as long as this one uses it.
  static Result<ScratchDirectory> Hold(const std::string& path);
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  const std::string& path() const { return path_; }
  // Removes this user's directories of the same parent and prefix that nobody on this host holds. One to which
  // something was added in the last ten minutes stays: whoever made it may be on the way to hold it.
  Status RemoveAbandoned() const;

 private:
  ScratchDirectory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
  bool removes_ = false;
};

}  // namespace still
