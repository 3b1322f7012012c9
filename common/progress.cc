#include "common/progress.h"

#include <chrono>

#include "common/check.h"

namespace still {
namespace {

thread_local ProgressMarks* marks_of_thread = nullptr;

}  // namespace

void MarkProgress() {
  if (marks_of_thread == nullptr) return;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  marks_of_thread->last_ns.store(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(),
                                 std::memory_order_relaxed);
  marks_of_thread->count.fetch_add(1, std::memory_order_relaxed);
}

ProgressScope::ProgressScope(ProgressMarks* marks) {
  STILL_CHECK(marks_of_thread == nullptr, "a thread has one scope of progress at a time");
  marks_of_thread = marks;
}

ProgressScope::~ProgressScope() { marks_of_thread = nullptr; }

}  // namespace still
