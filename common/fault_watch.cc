#include "common/fault_watch.h"

#include <fmt/ranges.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/fault_point.h"
#include "common/files.h"
#include "common/log.h"

namespace still {

Result<std::unique_ptr<FaultWatch>> FaultWatch::Arm(std::vector<std::string> specifications) {
  for (const std::string& specification : specifications) STILL_RETURN_IF_ERROR(CheckFaultSpecification(specification));
  std::string marks = "/tmp/still-faults-XXXXXX";
  if (mkdtemp(marks.data()) == nullptr) return ErrnoStatus(errno, "cannot make", marks);
  setenv("STILL_FAULT_MARKS", marks.c_str(), 1);
  const std::string all = fmt::format("{}", fmt::join(specifications, ","));
  auto watch = std::unique_ptr<FaultWatch>(new FaultWatch(std::move(specifications), std::move(marks)));
  STILL_RETURN_IF_ERROR(ArmFaults(all));
  return watch;
}

FaultWatch::~FaultWatch() {
  if (const Status removed = RemoveAll(marks_); !removed.ok()) LogWarn("{}", removed.message());
}

std::vector<std::string> FaultWatch::NeverStruck() const {
  std::vector<std::string> never;
  for (std::size_t i = 0; i < specifications_.size(); ++i) {
    if (!Exists(JoinPath(marks_, std::to_string(i)))) never.push_back(specifications_[i]);
  }
  return never;
}

}  // namespace still
