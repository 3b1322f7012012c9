#include "common/progress.h"

#include <utility>

namespace still {
namespace {

thread_local ProgressListener* innermost = nullptr;

}  // namespace

void MarkProgress() {
  for (const ProgressListener* listener = innermost; listener != nullptr; listener = listener->outer_)
    listener->on_progress_();
}

ProgressListener::ProgressListener(std::function<void()> on_progress)
    : on_progress_(std::move(on_progress)), outer_(innermost) {
  innermost = this;
}

ProgressListener::~ProgressListener() { innermost = outer_; }

}  // namespace still
