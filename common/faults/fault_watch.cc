#include "common/faults/fault_watch.h"

#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/faults/fault_point.h"
#include "common/storage/files.h"

namespace still {

Result<std::unique_ptr<FaultWatch>> FaultWatch::Arm(std::vector<std::string> specifications) {
  for (const std::string& specification : specifications) STILL_RETURN_IF_ERROR(CheckFaultSpecification(specification));
  const int marks = ::memfd_create("still-fault-marks", MFD_CLOEXEC);
  if (marks < 0) return ErrnoStatus(errno, "cannot keep in memory", "which faults struck");
  const std::string all = fmt::format("{}", fmt::join(specifications, ","));
  auto watch = std::unique_ptr<FaultWatch>(new FaultWatch(std::move(specifications), marks));
  setenv("STILL_FAULT_MARKS", fmt::format("/proc/{}/fd/{}", getpid(), marks).c_str(), 1);
  STILL_RETURN_IF_ERROR(ArmFaults(all));
  return watch;
}

FaultWatch::~FaultWatch() { ::close(marks_); }

std::vector<std::string> FaultWatch::NeverStruck() const {
  std::vector<std::string> never;
  for (std::size_t i = 0; i < specifications_.size(); ++i) {
    char mark = 0;
    const bool read = ::pread(marks_, &mark, 1, static_cast<off_t>(i)) == 1;
    if (!read || mark == 0) never.push_back(specifications_[i]);
  }
  return never;
}

}  // namespace still
