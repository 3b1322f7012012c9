// The last answer of each of the latest peers: a request that is sent twice is carried out once. Requests without a
// number (0) are not recognised. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace still::coordinator {

class RepeatedRequests {
 public:
  static constexpr std::size_t kPeers = 1024;  // the oldest are forgotten

  // What this request of the peer was answered; null when it is a new one. Valid until the next Note or Clear.
  const std::string* Find(const std::string& peer, std::uint64_t request) const {
    const auto last = last_.find(peer);
    return request != 0 && last != last_.end() && last->second.request == request ? &last->second.answer : nullptr;
  }
  void Note(const std::string& peer, std::uint64_t request, std::string answer) {
    if (!last_.contains(peer)) order_.push_back(peer);
    last_[peer] = {request, std::move(answer)};
    if (order_.size() <= kPeers) return;
    last_.erase(order_.front());
    order_.pop_front();
  }
  // What was answered never happened.
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
  std::deque<std::string> order_;  // of peers, oldest first
};

}  // namespace still::coordinator
