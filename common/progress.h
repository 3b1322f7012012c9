// Signs of progress of long work: MarkProgress() after each bounded part of it, so that an observer can tell a slow
// thread from a hung one. A part is a mebibyte read, written or digested, a synced file, a record or a document.
//
// The storage library (common/storage) and the digests mark progress by themselves. They send nothing: a mark calls the
// listeners that the thread's own callers installed, and nothing when there are none. A rank installs two: one writes
// to the memory that its guardian watches, the other renews the lease on the shard in hand while the shard is made.
// The listeners belong to the thread instead of being an argument of each read, because every function
// of several libraries between a lease and a read(2) would have to pass it on, and none has another use for it.
#pragma once

#include <cstddef>
#include <functional>

namespace still {

// Calls the listeners of this thread. Costs a branch when there are none.
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

// Calls `on_progress` at every mark of the thread that made this listener, until it is destroyed. Listeners nest: the
// outer ones are called too, and the innermost is destroyed first. A callback must not mark progress itself.
class ProgressListener {
 public:
  explicit ProgressListener(std::function<void()> on_progress);
  ~ProgressListener();
  ProgressListener(const ProgressListener&) = delete;
  ProgressListener& operator=(const ProgressListener&) = delete;

 private:
  friend void MarkProgress();

  const std::function<void()> on_progress_;
  ProgressListener* const outer_;
};

}  // namespace still
