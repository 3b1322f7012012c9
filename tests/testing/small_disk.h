// A small file system of its own at a path, which can grow: how a test fills a disk.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <string>

#include "common/check.h"

namespace still::testing {

// Mounts the file system until it is destroyed. Mounting needs rights: skip the test where mounted() is false.
class SmallDisk {
 public:
  // `size` as tmpfs takes it: "40m".
  SmallDisk(const std::string& path, const std::string& size) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = mount("tmpfs", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  void Grow(const std::string& size) const {
    const int failed = mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str());
    STILL_CHECK(failed == 0, "cannot make a mounted tmpfs larger");
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

}  // namespace still::testing
