#include "tests/testing/local_communicator.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

namespace still::testing {
namespace {

using Bytes = std::vector<std::byte>;

// The meeting point of the ranks. A collective call is one Exchange: everybody brings bytes, they are merged in the
// order of arrival, and everybody takes the result. It succeeds for all or for none: once the last member has come it
// is done.
class Meeting {
 public:
  explicit Meeting(int size) : alive_(static_cast<std::size_t>(size), true), members_(size) {}

  using Merge = std::function<void(const Bytes& mine, Bytes* all)>;  // `all` is empty at the first

  // False when a member is dead.
  bool Exchange(const Bytes& mine, const Merge& merge, Bytes* result) {
    std::unique_lock lock(mutex_);
    if (broken_) return false;
    const std::uint64_t round = round_;
    Bytes& all = results_[round % 2];
    if (arrived_ == 0) all.clear();
    merge(mine, &all);
    if (++arrived_ == members_) {
      Complete();
    } else {
      changed_.wait(lock, [&] { return round_ != round || broken_; });
      if (round_ == round) return false;
    }
    *result = results_[round % 2];  // overwritten two rounds on, which need this rank
    return true;
  }

  void Die(int launch_rank) {
    const std::lock_guard lock(mutex_);
    alive_[static_cast<std::size_t>(launch_rank)] = false;
    broken_ = true;
    if (shrinking_ > 0) FinishShrink();
    changed_.notify_all();
  }

  void Shrink() {
    std::unique_lock lock(mutex_);
    broken_ = true;
    changed_.notify_all();
    const std::uint64_t shrinks = shrinks_;
    ++shrinking_;
    FinishShrink();
    changed_.wait(lock, [&] { return shrinks_ != shrinks; });
  }

  // Rank among the members and their number.
  std::pair<int, int> Place(int launch_rank) {
    const std::lock_guard lock(mutex_);
    const auto before = std::count(alive_.begin(), alive_.begin() + launch_rank, true);
    return {static_cast<int>(before), members_};
  }

 private:
  void Complete() {
    arrived_ = 0;
    ++round_;
    changed_.notify_all();
  }
  void FinishShrink() {
    const auto alive = static_cast<int>(std::ranges::count(alive_, true));
    if (shrinking_ < alive) return;
    members_ = alive;
    shrinking_ = 0;
    arrived_ = 0;
    broken_ = false;
    ++round_;
    ++shrinks_;
    changed_.notify_all();
  }

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<bool> alive_;  // by launch rank
  int members_;
  int arrived_ = 0;
  int shrinking_ = 0;  // ranks inside Shrink
  bool broken_ = false;
  std::uint64_t round_ = 0;
  std::uint64_t shrinks_ = 0;
  std::array<Bytes, 2> results_;
};

template <typename T>
Bytes ToBytes(std::span<T> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

template <typename T>
void AddInto(const Bytes& mine, Bytes* all) {
  if (all->empty()) {
    *all = mine;
    return;
  }
  STILL_CHECK(mine.size() == all->size(), "ranks reduce buffers of different sizes");
  for (std::size_t at = 0; at < mine.size(); at += sizeof(T)) {
    T a, b;
    std::memcpy(&a, all->data() + at, sizeof(T));
    std::memcpy(&b, mine.data() + at, sizeof(T));
    a += b;
    std::memcpy(all->data() + at, &a, sizeof(T));
  }
}

class LocalCommunicator final : public worker::Communicator {
 public:
  LocalCommunicator(Meeting& meeting, int launch_rank) : meeting_(meeting), launch_rank_(launch_rank) { NotePlace(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int launch_rank() const override { return launch_rank_; }
  worker::HostPlace host_place() const override { return {rank_, size_}; }

  Status AllReduceSum(std::span<std::int64_t> values) override { return Sum<std::uint64_t>(values); }
  Status AllReduceSum(std::span<float> values) override { return Sum<float>(values); }
  Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override {
    std::ranges::copy(in, out.begin());
    return AllReduceSum(out);
  }
  Result<bool> Vote(bool ok) override {
    std::int64_t against = ok ? 0 : 1;
    STILL_RETURN_IF_ERROR(AllReduceSum(std::span(&against, 1)));
    return against == 0;
  }
  Status Broadcast(std::string* bytes, int root) override {
    Bytes said;
    STILL_RETURN_IF_ERROR(Say(std::as_bytes(std::span(*bytes)), root, &said));
    bytes->assign(reinterpret_cast<const char*>(said.data()), said.size());
    return Ok();
  }
  Status Broadcast(std::span<std::byte> bytes, int root) override {
    Bytes said;
    STILL_RETURN_IF_ERROR(Say(bytes, root, &said));
    STILL_CHECK(said.size() == bytes.size(), "ranks broadcast buffers of different sizes");
    std::ranges::copy(said, bytes.begin());
    return Ok();
  }
  Status Barrier() override {
    Bytes nothing;
    return Meet(
        {}, [](const Bytes&, Bytes*) {}, &nothing);
  }
  bool can_shrink() const override { return true; }
  Status Shrink() override {
    meeting_.Shrink();
    NotePlace();
    return Ok();
  }

 private:
  Status Meet(const Bytes& mine, const Meeting::Merge& merge, Bytes* result) {
    if (meeting_.Exchange(mine, merge, result)) return Ok();
    return Error(Code::kUnavailable, "a peer is gone");
  }
  template <typename As, typename T>
  Status Sum(std::span<T> values) {
    Bytes sums;
    STILL_RETURN_IF_ERROR(Meet(ToBytes(values), AddInto<As>, &sums));
    std::memcpy(values.data(), sums.data(), sums.size());
    return Ok();
  }
  Status Say(std::span<const std::byte> bytes, int root, Bytes* said) {
    const bool mine = rank_ == root;
    return Meet(
        mine ? Bytes(bytes.begin(), bytes.end()) : Bytes(),
        [mine](const Bytes& words, Bytes* all) {
          if (mine) *all = words;
        },
        said);
  }
  void NotePlace() { std::tie(rank_, size_) = meeting_.Place(launch_rank_); }

  Meeting& meeting_;
  const int launch_rank_;
  int rank_ = 0;
  int size_ = 0;
};

}  // namespace

std::vector<Status> RunRanks(int ranks, const std::function<Status(worker::Communicator&)>& work) {
  Meeting meeting(ranks);
  std::vector<Status> results(static_cast<std::size_t>(ranks));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      LocalCommunicator world(meeting, rank);
      try {
        results[static_cast<std::size_t>(rank)] = work(world);
      } catch (const RankDied&) {
        meeting.Die(rank);
        results[static_cast<std::size_t>(rank)] = Error(Code::kUnavailable, "died");
      }
    });
  }
  threads.clear();  // joins
  return results;
}

}  // namespace still::testing
