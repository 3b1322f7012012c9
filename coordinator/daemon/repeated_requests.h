// The answers to recent requests, so that a request that arrives twice is carried out once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace still::coordinator {

// RepeatedRequests holds the last answer to each of the latest peers, in memory. Requests without a number (0) are
// never recognised. One thread uses the object.
class RepeatedRequests {
 public:
  static constexpr std::size_t kPeers = 1024;  // beyond these, the oldest peer is forgotten

  // Returns the answer that this request of `peer` got, or null for a new request. The pointer is valid until the next
  // Record() or Clear().
  const std::string* Find(const std::string& peer, std::uint64_t request) const {
    const auto last = last_.find(peer);
    return request != 0 && last != last_.end() && last->second.request == request ? &last->second.answer : nullptr;
  }
  // Records the answer to a request, in place of the peer's last one.
  void Record(const std::string& peer, std::uint64_t request, std::string answer) {
    if (!last_.contains(peer)) order_.push_back(peer);
    last_[peer] = {request, std::move(answer)};
    if (order_.size() <= kPeers) return;
    last_.erase(order_.front());
    order_.pop_front();
  }
  // Forgets all answers. Call when what they announced was rolled back.
  void Clear() {
    last_.clear();
    order_.clear();
  }

 private:
  struct Answered {
    std::uint64_t request = 0;
    std::string answer;
  };
  std::map<std::string, Answered> last_;
  std::deque<std::string> order_;  // peers, oldest first
};

}  // namespace still::coordinator
