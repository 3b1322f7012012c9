#include "tests/testing/local_communicator.h"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <thread>

namespace still::testing {
namespace {

// What the ranks share. Every collective call is: put in, barrier, take out, barrier.
class Meeting {
 public:
  explicit Meeting(int size) : size_(size) {}

  void Barrier() {
    std::unique_lock lock(mutex_);
    const std::uint64_t round = round_;
    if (++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      everybody_came_.notify_all();
      return;
    }
    everybody_came_.wait(lock, [&] { return round_ != round; });
  }

  void Add(std::span<const std::int64_t> values) {
    const std::lock_guard lock(mutex_);
    sums_.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      sums_[i] =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(sums_[i]) + static_cast<std::uint64_t>(values[i]));
  }
  void TakeSums(std::span<std::int64_t> values) {
    const std::lock_guard lock(mutex_);
    STILL_CHECK(values.size() == sums_.size(), "ranks reduce buffers of different sizes");
    std::ranges::copy(sums_, values.begin());
    if (++taken_ < size_) return;
    taken_ = 0;
    sums_.clear();
  }
  void Say(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    said_ = bytes;
  }
  std::string Said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

 private:
  const int size_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable everybody_came_;
  int arrived_ = 0;
  std::uint64_t round_ = 0;
  std::vector<std::int64_t> sums_;
  int taken_ = 0;
  std::string said_;
};

class LocalCommunicator final : public worker::Communicator {
 public:
  LocalCommunicator(Meeting& meeting, int rank, int size) : meeting_(meeting), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Status AllReduceSum(std::span<std::int64_t> values) override {
    meeting_.Add(values);
    meeting_.Barrier();
    meeting_.TakeSums(values);
    meeting_.Barrier();
    return Ok();
  }
  Result<bool> Vote(bool ok) override {
    std::int64_t against = ok ? 0 : 1;
    STILL_RETURN_IF_ERROR(AllReduceSum({&against, 1}));
    return against == 0;
  }
  Status Broadcast(std::string* bytes, int root) override {
    if (rank_ == root) meeting_.Say(*bytes);
    meeting_.Barrier();
    *bytes = meeting_.Said();
    meeting_.Barrier();
    return Ok();
  }
  Status Barrier() override {
    meeting_.Barrier();
    return Ok();
  }

 private:
  Meeting& meeting_;
  int rank_;
  int size_;
};

}  // namespace

std::vector<Status> RunRanks(int ranks, const std::function<Status(worker::Communicator&)>& work) {
  Meeting meeting(ranks);
  std::vector<Status> results(static_cast<std::size_t>(ranks));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      LocalCommunicator world(meeting, rank, ranks);
      results[static_cast<std::size_t>(rank)] = work(world);
    });
  }
  threads.clear();  // joins
  return results;
}

}  // namespace still::testing
