// The result of a run. The first broken promise ends the run. The last events are kept only on request: to describe an
// event costs more than to simulate it.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "tests/sim/event_queue.h"

namespace still::sim {

class Verdict {
 public:
  Verdict(const EventQueue* clock, bool traced) : clock_(clock), start_ms_(clock->now()), traced_(traced) {}

  bool ok() const { return broken_.empty(); }
  const std::string& broken() const { return broken_; }
  void Broken(std::string what) {
    if (broken_.empty()) broken_ = fmt::format("{} (at {} ms)", std::move(what), clock_->now() - start_ms_);
  }

  template <typename... Args>
  void Trace(fmt::format_string<Args...> format, Args&&... args) {
    if (!traced_) return;
    last_.push_back(fmt::format("{:>9} ms  ", clock_->now() - start_ms_) +
                    fmt::format(format, std::forward<Args>(args)...));
    if (last_.size() > kKept) last_.pop_front();
  }
  const std::deque<std::string>& last() const { return last_; }

 private:
  static constexpr std::size_t kKept = 60;
  const EventQueue* clock_;
  UnixMs start_ms_;
  bool traced_;
  std::string broken_;
  std::deque<std::string> last_;
};

}  // namespace still::sim
