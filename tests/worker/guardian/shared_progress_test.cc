#include "worker/guardian/shared_progress.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace still::worker {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class HandClock final : public Clock {
 public:
  TimePoint Now() const override { return now_; }
  UnixMs WallMs() const override { return 0; }
  void SleepFor(milliseconds duration) override { now_ += duration; }
  void Advance(microseconds duration) { now_ += duration; }

 private:
  TimePoint now_{seconds(1000)};
};

std::size_t Samples(const SharedProgress& words, v1::Phase phase) {
  const auto& counts = words.histograms[static_cast<std::size_t>(phase)].counts;
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

const PhaseHistogram& HistogramOf(const SharedProgress& words, v1::Phase phase) {
  return words.histograms[static_cast<std::size_t>(phase)];
}

TEST(SharedProgressTest, TheWriterRecordsItsPhaseAndWhenItEntered) {
  HandClock clock;
  SharedProgress words;
  ProgressWriter writer(&words, &clock);
  writer.Enter(v1::PHASE_COMPUTE);
  EXPECT_EQ(words.phase.load(), static_cast<std::uint32_t>(v1::PHASE_COMPUTE));
  EXPECT_EQ(words.marks.last_ns.load(), 1'000'000'000'000);
  clock.Advance(seconds(1));
  writer.SetStep(17);
  EXPECT_EQ(words.step.load(), 17u);
  EXPECT_EQ(words.marks.last_ns.load(), 1'001'000'000'000);
  clock.Advance(seconds(1));
  writer.SetMicrobatch(3);
  EXPECT_EQ(words.microbatch.load(), 3u);
  EXPECT_EQ(words.marks.last_ns.load(), 1'002'000'000'000);
}

TEST(SharedProgressTest, MarkProgressIsASignOfProgressAndMeasuresNothing) {
  SharedProgress words;
  ProgressWriter writer(&words);
  writer.Enter(v1::PHASE_SEAL);
  words.marks.last_ns = 0;
  MarkProgress();
  EXPECT_EQ(words.marks.last_ns.load(), 0) << "outside of a scope it does nothing";
  {
    const ProgressScope scope(&words.marks);
    MarkProgress();
    std::jthread([] { MarkProgress(); });  // whose progress is not that of this thread
  }
  EXPECT_GT(words.marks.last_ns.load(), 0);
  EXPECT_EQ(writer.marks()->count.load(), 1u);
  EXPECT_EQ(Samples(words, v1::PHASE_SEAL), 0u);
}

TEST(SharedProgressTest, APhaseIsMeasuredWhenItEnds) {
  HandClock clock;
  SharedProgress words;
  ProgressWriter writer(&words, &clock);
  writer.Enter(v1::PHASE_COMPUTE);
  EXPECT_EQ(Samples(words, v1::PHASE_START), 0u) << "nobody knows when it began";
  clock.Advance(microseconds(3));
  writer.SetMicrobatch(1);
  clock.Advance(microseconds(2));
  writer.Enter(v1::PHASE_REDUCE);
  EXPECT_EQ(Samples(words, v1::PHASE_COMPUTE), 1u);
  EXPECT_EQ(HistogramOf(words, v1::PHASE_COMPUTE).counts[3].load(), 1u);  // 5 us: below 8, not below 4
  EXPECT_EQ(Samples(words, v1::PHASE_REDUCE), 0u);
  clock.Advance(microseconds(4));
  writer.Enter(v1::PHASE_VOTE);
  EXPECT_EQ(HistogramOf(words, v1::PHASE_REDUCE).counts[3].load(), 1u);  // 4 us is not below 4
  writer.Enter(v1::PHASE_OPTIMIZER);
  EXPECT_EQ(HistogramOf(words, v1::PHASE_VOTE).counts[0].load(), 1u);  // no time at all
}

TEST(SharedProgressTest, APhaseBeyondTheLastBucketCountsInIt) {
  HandClock clock;
  SharedProgress words;
  ProgressWriter writer(&words, &clock);
  writer.Enter(v1::PHASE_WAIT);
  clock.Advance(std::chrono::hours(24 * 30));
  writer.Enter(v1::PHASE_SHUTDOWN);
  EXPECT_EQ(HistogramOf(words, v1::PHASE_WAIT).counts[PhaseHistogram::kBuckets - 1].load(), 1u);
}

TEST(SharedProgressTest, ThePercentileIsTheEdgeOfItsBucket) {
  PhaseHistogram histogram;
  EXPECT_EQ(P99Seconds(histogram), 0);
  histogram.counts[10] = 2;
  EXPECT_EQ(P99Seconds(histogram), 0) << "too few to tell";
  histogram.counts[10] = 99;
  histogram.counts[20] = 1;
  EXPECT_DOUBLE_EQ(P99Seconds(histogram), 1024e-6);  // 99 of 100 are below that
  histogram.counts[20] = 2;
  EXPECT_DOUBLE_EQ(P99Seconds(histogram), 1048576e-6);
}

TEST(SharedProgressTest, TheWriterSeesADrain) {
  SharedProgress words;
  const ProgressWriter writer(&words);
  EXPECT_FALSE(writer.drain_requested());
  words.drain = 1;
  EXPECT_TRUE(writer.drain_requested());
}

TEST(SharedProgressTest, AWriterWithoutWordsDoesNothing) {
  ProgressWriter writer;
  writer.Enter(v1::PHASE_COMPUTE);
  writer.SetStep(1);
  writer.SetMicrobatch(1);
  EXPECT_FALSE(writer.drain_requested());
}

}  // namespace
}  // namespace still::worker
