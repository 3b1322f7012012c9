// Signs of life of work that takes long: Beat() after each bounded part of it (a mebibyte read, written or digested, a
// file synced, a record, a document), so that whoever watches the thread can tell slow from hung. Whatever goes through
// common/storage/files.h, common/digest.h and common/storage/kv.h beats by itself. Nobody listening, one costs a
// branch.
#pragma once

#include <cstddef>
#include <functional>

namespace still {

void Beat();

// Beats for every mebibyte of work that it is told of.
class ByteBeats {
 public:
  void Add(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ < kBytesABeat) return;
    bytes_ = 0;
    Beat();
  }

 private:
  static constexpr std::size_t kBytesABeat = std::size_t{1} << 20;
  std::size_t bytes_ = 0;
};

// Hears every Beat of the thread that made it, while it exists, beside those made before it. They end in reverse order.
class BeatListener {
 public:
  explicit BeatListener(std::function<void()> on_beat);
  ~BeatListener();
  BeatListener(const BeatListener&) = delete;
  BeatListener& operator=(const BeatListener&) = delete;

 private:
  friend void Beat();

  const std::function<void()> on_beat_;
  BeatListener* const outer_;
};

}  // namespace still
