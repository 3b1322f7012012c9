// Signs of progress of long work: MarkProgress() after each bounded part of it, so that an observer can tell a slow
// thread from a hung one. A part is a mebibyte read, written or digested, a synced file, a record or a document.
//
// The storage library (common/storage) and the digests mark progress by themselves. A mark sends nothing and calls
// nobody. It writes two numbers, and others look at them when it suits them: the guardian of a rank, and the thread
// that renews the lease on the shard in hand. The numbers belong to the thread instead of being an argument of each
// read, because every function of several libraries between a lease and a read(2) would have to pass them on, and none
// has another use for them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace still {

// The signs of progress of one thread. Any thread or process may read them.
struct ProgressMarks {
  std::atomic<std::uint64_t> count{0};
  std::atomic<std::int64_t> last_ns{0};  // steady clock at the last sign
};

// Adds a sign to the marks of this thread (ProgressScope). Costs a branch when it has none.
void MarkProgress();

// Marks progress for every mebibyte of work that it is told of. Owned by one thread.
class ByteProgress {
 public:
  void Add(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ < kBytesPerMark) return;
    bytes_ = 0;
    MarkProgress();
  }

 private:
  static constexpr std::size_t kBytesPerMark = std::size_t{1} << 20;
  std::size_t bytes_ = 0;
};

// Makes the thread that creates it mark its progress in `marks` for as long as the scope exists. A thread has one scope
// at a time.
class ProgressScope {
 public:
  explicit ProgressScope(ProgressMarks* marks);
  ~ProgressScope();
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;
};

}  // namespace still
