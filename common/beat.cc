#include "common/beat.h"

#include <utility>

namespace still {
namespace {

thread_local BeatListener* innermost = nullptr;

}  // namespace

void Beat() {
  for (const BeatListener* listener = innermost; listener != nullptr; listener = listener->outer_) listener->on_beat_();
}

BeatListener::BeatListener(std::function<void()> on_beat) : on_beat_(std::move(on_beat)), outer_(innermost) {
  innermost = this;
}

BeatListener::~BeatListener() { innermost = outer_; }

}  // namespace still
