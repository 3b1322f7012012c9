// Simulated time: which event happens next, and when. Events of the same instant happen in the order in which they were
// scheduled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/unix_time.h"

namespace still::sim {

class EventQueue {
 public:
  explicit EventQueue(UnixMs start) : now_(start) {}

  UnixMs now() const { return now_; }
  std::uint64_t ran() const { return ran_; }

  void After(std::int64_t delay_ms, std::function<void()> what) {
    events_.push_back({now_ + std::max<std::int64_t>(delay_ms, 0), next_++, std::move(what)});
    std::push_heap(events_.begin(), events_.end(), Later);
  }

  // Returns false when no event is left.
  bool RunNext() {
    if (events_.empty()) return false;
    std::pop_heap(events_.begin(), events_.end(), Later);
    const Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.at_ms;
    ++ran_;
    event.what();
    return true;
  }

 private:
  struct Event {
    UnixMs at_ms = 0;
    std::uint64_t order = 0;
    std::function<void()> what;
  };
  static bool Later(const Event& a, const Event& b) {
    return a.at_ms != b.at_ms ? a.at_ms > b.at_ms : a.order > b.order;
  }

  UnixMs now_;
  std::uint64_t next_ = 0;
  std::uint64_t ran_ = 0;
  std::vector<Event> events_;
};

}  // namespace still::sim
