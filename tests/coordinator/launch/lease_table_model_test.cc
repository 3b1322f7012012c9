// The lease table under everything that ranks and their messages may do. Ranks die, hang and are slow. Messages are
// late, lost, doubled and reordered. Whatever happens, a shard counts once and a wrong result is never overlooked. Once
// the faults stop, the ranks that are left finish. A failing seed is named, and it replays the run.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/random.h"
#include "coordinator/launch/lease_table.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kRanks = 6;
constexpr std::uint32_t kShards = 24;

std::string DigestOf(std::uint32_t shard) { return "digest " + std::to_string(shard); }

// A rank that asks, computes, reports and asks again.
struct Rank {
  bool dead = false;
  std::uint64_t request = 0;
  Clock::TimePoint asked{};      // when the last request was sent
  std::optional<Lease> lease{};  // the one that it works on
  Clock::TimePoint ready{};      // when the shard is computed
  std::uint64_t units = 0;
};

// A message on its way: a request, progress or a result to the table, or an answer from it.
struct Message {
  enum class Kind { kAsk, kProgress, kDone, kDeath, kAnswer };
  Kind kind = Kind::kAsk;
  std::uint32_t rank = 0;
  std::uint64_t request = 0;
  std::optional<Lease> lease{};
  std::uint64_t units = 0;
  std::string digest{};
};

class Model {
 public:
  Model(std::uint64_t seed, bool flips)
      : random_(seed),
        flips_(flips),
        table_(kShards, {.patience = milliseconds(4000), .slow_floor = milliseconds(50)}) {}

  void Run() {
    for (int i = 0; i < 1500 && !failed_; ++i) Step(/*faults=*/true);
    for (int i = 0; i < 20'000 && !failed_ && !table_.AllDone(); ++i) Step(/*faults=*/false);
    for (int i = 0; i < 1500 && !failed_; ++i) Step(/*faults=*/false);  // deliver what is on its way
    if (failed_) {
      EXPECT_TRUE(spoiled_) << failure_.ToString();
      EXPECT_EQ(failure_.code(), Code::kDataLoss);
      return;
    }
    EXPECT_TRUE(table_.AllDone()) << table_.done() << " of " << kShards;
    EXPECT_EQ(completions_.size(), kShards);
    for (const auto& [shard, count] : completions_) EXPECT_EQ(count, 1) << "shard " << shard;
    EXPECT_EQ(table_.units(), std::uint64_t{kShards} * 10);
  }
  bool failed() const { return failed_; }

 private:
  bool Chance(std::uint32_t percent) { return random_.NextBelow(100) < percent; }

  void Step(bool faults) {
    now_ += milliseconds(random_.NextBelow(20));
    if (faults && Chance(1) && alive() > 1) Kill(static_cast<std::uint32_t>(random_.NextBelow(kRanks)));
    for (std::uint32_t rank = 0; rank < kRanks; ++rank) Act(rank, faults);
    while (!network_.empty() && (network_.begin()->first <= now_)) {
      const Message message = network_.begin()->second;
      network_.erase(network_.begin());
      Deliver(message, faults);
      EXPECT_LE(table_.done(), kShards);
    }
  }

  void Act(std::uint32_t number, bool faults) {
    Rank& rank = ranks_[number];
    if (rank.dead) return;
    if (!rank.lease) {
      if (now_ - rank.asked < milliseconds(200)) return;
      rank.asked = now_;
      Send({.kind = Message::Kind::kAsk, .rank = number, .request = rank.request}, faults);
    } else if (now_ < rank.ready) {
      if (Chance(20))
        Send({.kind = Message::Kind::kProgress, .rank = number, .lease = rank.lease, .units = ++rank.units}, faults);
    } else {
      const bool spoil = flips_ && faults && Chance(3);
      spoiled_ |= spoil;
      Send({.kind = Message::Kind::kDone,
            .rank = number,
            .lease = rank.lease,
            .digest = spoil ? "wrong" : DigestOf(rank.lease->shard)},
           faults);
      AskAnew(rank);
    }
  }

  void AskAnew(Rank& rank) {
    rank.lease.reset();
    rank.units = 0;
    rank.asked = {};
    ++rank.request;
  }

  void Kill(std::uint32_t number) {
    if (ranks_[number].dead) return;
    ranks_[number].dead = true;
    if (Chance(70)) Send({.kind = Message::Kind::kDeath, .rank = number}, false);  // otherwise only its silence tells
  }

  void Send(const Message& message, bool faults) {
    if (faults && Chance(5)) return;
    const int copies = faults && Chance(10) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const bool late = faults && Chance(10);
      network_.emplace(now_ + milliseconds(random_.NextBelow(late ? 6000 : 30)), message);
    }
  }

  void Deliver(const Message& message, bool faults) {
    switch (message.kind) {
      case Message::Kind::kAsk: {
        const auto lease = table_.Grant(message.rank, message.request, now_);
        Send({.kind = Message::Kind::kAnswer, .rank = message.rank, .request = message.request, .lease = lease},
             faults);
        break;
      }
      case Message::Kind::kProgress: {
        v1::Progress progress;
        progress.set_lease(message.lease->id);
        progress.set_done(message.units);
        table_.Renew(message.rank, progress, now_);
        break;
      }
      case Message::Kind::kDone: {
        v1::ShardDone result;
        result.set_lease(message.lease->id);
        result.set_shard(message.lease->shard);
        result.set_digest(message.digest);
        result.set_units(10);
        const Result<bool> first = table_.Complete(message.rank, result, now_);
        failed_ |= !first.ok();
        if (!first.ok()) failure_ = first.status();
        if (first.ok() && *first) ++completions_[message.lease->shard];
        break;
      }
      case Message::Kind::kDeath: table_.OnDeath(message.rank); break;
      case Message::Kind::kAnswer: TakeAnswer(message, faults); break;
    }
  }

  void TakeAnswer(const Message& message, bool faults) {
    Rank& rank = ranks_[message.rank];
    if (rank.dead || rank.lease || message.request != rank.request) return;
    if (!message.lease) return AskAnew(rank);
    rank.lease = message.lease;
    const bool hangs = faults && Chance(5);
    rank.ready = now_ + milliseconds(hangs ? 10'000 : 20 + random_.NextBelow(100));
  }

  std::uint32_t alive() const {
    return static_cast<std::uint32_t>(std::ranges::count_if(ranks_, [](const Rank& rank) { return !rank.dead; }));
  }

  KeyedRandom random_;
  const bool flips_;
  LeaseTable table_;
  std::vector<Rank> ranks_ = std::vector<Rank>(kRanks, Rank{.request = 1});
  std::multimap<Clock::TimePoint, Message> network_;
  Clock::TimePoint now_{milliseconds(1'000'000)};
  std::map<std::uint32_t, int> completions_;
  bool spoiled_ = false;
  bool failed_ = false;
  Status failure_;
};

TEST(LeaseTableModelTest, EveryShardCountsOnceAndTheWorkIsFinishedWhateverHappens) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(seed, /*flips=*/false).Run();
    if (::testing::Test::HasFailure()) break;
  }
}

// A wrong result is only found when another rank has computed the same shard.
TEST(LeaseTableModelTest, ResultsThatDifferAreAlwaysDataLoss) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model model(seed, /*flips=*/true);
    model.Run();
    found += model.failed() ? 1 : 0;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(found, 10);
}

}  // namespace
}  // namespace still::coordinator
