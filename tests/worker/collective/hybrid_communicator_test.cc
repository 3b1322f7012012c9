// Tests what the hybrid communicator makes of a transport's failures, with ranks as threads and a transport that fails
// to order.
#include "worker/collective/hybrid_communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/local_communicator.h"
#include "tests/testing/status_matchers.h"

namespace still::worker {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RankDied;
using testing::RunRanks;
using testing::StatusIs;

constexpr std::size_t kLarge = 1000;  // elements
constexpr std::size_t kSmall = 10;
constexpr HybridOptions kOptions{.smallest_bytes = 1000};

// The failures that one rank's transport has had and is to have. Outlives the communicator.
struct Script {
  std::vector<std::string> groups;  // joined
  int sums = 0;
  bool in_group = false;
  std::function<Status()> on_id = [] { return Ok(); };
  std::function<Status()> on_join = [] { return Ok(); };
  std::function<Status()> on_sum = [] { return Ok(); };
};

// Sums by the control communicator's own means; a failure to order is told after the peers got what they needed, as
// when the last packet to this rank alone is lost.
class ScriptedTransport final : public SumTransport {
 public:
  ScriptedTransport(Communicator& wire, Script& script) : wire_(wire), script_(script) {}

  Result<std::string> MakeId() override {
    STILL_RETURN_IF_ERROR(script_.on_id());
    return fmt::format("group {} of {}", script_.groups.size(), wire_.size());
  }
  Status Join(const std::string& id, int rank, int size) override {
    EXPECT_FALSE(script_.in_group);
    EXPECT_EQ(rank, wire_.rank());
    EXPECT_EQ(size, wire_.size());
    STILL_RETURN_IF_ERROR(script_.on_join());
    script_.groups.push_back(id);
    script_.in_group = true;
    return Ok();
  }
  Status Sum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override {
    std::vector<std::int64_t> sums(in.begin(), in.end());
    return Told(wire_.AllReduceSum(std::span(sums)), sums, out);
  }
  Status Sum(std::span<const float> in, std::span<float> out) override {
    std::vector<float> sums(in.begin(), in.end());
    return Told(wire_.AllReduceSum(std::span(sums)), sums, out);
  }
  void Leave() override { script_.in_group = false; }

 private:
  template <typename T>
  Status Told(const Status& summed, const std::vector<T>& sums, std::span<T> out) {
    EXPECT_TRUE(script_.in_group);
    ++script_.sums;
    STILL_RETURN_IF_ERROR(summed);
    STILL_RETURN_IF_ERROR(script_.on_sum());
    std::ranges::copy(sums, out.begin());
    return Ok();
  }

  Communicator& wire_;
  Script& script_;
};

Result<std::unique_ptr<Communicator>> Connect(Communicator& control, Script& script) {
  return ConnectHybrid(control, std::make_unique<ScriptedTransport>(control, script), kOptions);
}

// Runs ranks as threads, each with a hybrid communicator over the transport of its script.
std::vector<Status> RunConnected(std::vector<Script>& scripts,
                                 const std::function<Status(Communicator& world, Script& script)>& work) {
  return RunRanks(static_cast<int>(scripts.size()), [&](Communicator& control) -> Status {
    Script& script = scripts[static_cast<std::size_t>(control.rank())];
    STILL_ASSIGN_OR_RETURN(const auto world, Connect(control, script));
    return work(*world, script);
  });
}

Status Broken() { return Error(Code::kUnavailable, "a cable was pulled"); }

std::function<Status()> FailOnce() {
  return [failed = false]() mutable { return std::exchange(failed, true) ? Ok() : Broken(); };
}

std::function<Status()> Die() {
  return []() -> Status { throw RankDied(); };
}

// The sum of ones over the ranks, or why there is none.
Result<std::int64_t> CountRanks(Communicator& world, std::size_t elements) {
  const std::vector<std::int64_t> ones(elements, 1);
  std::vector<std::int64_t> sums(elements);
  STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(ones), std::span(sums)));
  EXPECT_THAT(ones, Each(1));
  EXPECT_THAT(sums, Each(sums[0]));
  return sums[0];
}

bool SaysYes(const Result<bool>& vote) { return vote.ok() && *vote; }
bool SaysNo(const Result<bool>& vote) { return vote.ok() && !*vote; }

TEST(HybridCommunicatorTest, LargeSumsGoByTheTransportAndTheRestByControl) {
  std::vector<Script> scripts(3);
  const auto results = RunConnected(scripts, [&](Communicator& world, Script& script) -> Status {
    STILL_ASSIGN_OR_RETURN(std::int64_t ranks, CountRanks(world, kSmall));
    EXPECT_EQ(ranks, 3);
    EXPECT_EQ(script.sums, 0);
    STILL_ASSIGN_OR_RETURN(ranks, CountRanks(world, kLarge));
    EXPECT_EQ(ranks, 3);
    EXPECT_EQ(script.sums, 1);
    std::vector<std::int64_t> in_place(kLarge, std::int64_t{1} << 60);  // a double would lose the low bits
    in_place.back() += world.rank();
    STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(in_place)));
    EXPECT_EQ(in_place.back(), 3 * (std::int64_t{1} << 60) + 3);
    std::vector<float> floats(kLarge, 0.5F);
    STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(floats)));
    EXPECT_THAT(floats, Each(1.5F));
    EXPECT_EQ(script.sums, 3);
    std::string word = world.rank() == 1 ? "said" : "";
    STILL_RETURN_IF_ERROR(world.Broadcast(&word, 1));
    EXPECT_EQ(word, "said");
    EXPECT_TRUE(SaysYes(world.Vote(true)));
    EXPECT_EQ(script.sums, 3);
    return world.Barrier();
  });
  EXPECT_THAT(results, Each(IsOk()));
  for (const Script& script : scripts) {
    EXPECT_EQ(script.groups, scripts[0].groups);
    EXPECT_FALSE(script.in_group) << "left when the communicator went";
  }
}

TEST(HybridCommunicatorTest, ANoIsAVoteAndLeavesTheGroupWhole) {
  std::vector<Script> scripts(2);
  const auto results = RunConnected(scripts, [&](Communicator& world, Script& script) -> Status {
    EXPECT_TRUE(SaysNo(world.Vote(world.rank() == 0)));
    EXPECT_TRUE(script.in_group);
    STILL_ASSIGN_OR_RETURN(const std::int64_t ranks, CountRanks(world, kLarge));
    EXPECT_EQ(ranks, 2);
    EXPECT_TRUE(SaysYes(world.Vote(true)));
    return Ok();
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(HybridCommunicatorTest, WhatOneRankMissedIsUnavailableToAllAndAllLeave) {
  std::vector<Script> scripts(3);
  scripts[1].on_sum = FailOnce();
  const auto results = RunConnected(scripts, [&](Communicator& world, Script& script) -> Status {
    const auto sum = CountRanks(world, kLarge);
    EXPECT_EQ(sum.ok(), world.rank() != 1);
    EXPECT_EQ(script.in_group, world.rank() != 1) << "a failure aborts at once, on the rank that met it";
    EXPECT_THAT(world.Vote(sum.ok()), StatusIs(Code::kUnavailable));
    EXPECT_FALSE(script.in_group) << "and on all others after the vote";
    EXPECT_THAT(CountRanks(world, kLarge), StatusIs(Code::kUnavailable));
    EXPECT_THAT(world.Vote(true), StatusIs(Code::kUnavailable)) << "until they shrink";
    STILL_ASSIGN_OR_RETURN(std::int64_t ranks, CountRanks(world, kSmall));
    EXPECT_EQ(ranks, 3) << "messages still pass";
    STILL_RETURN_IF_ERROR(world.Shrink());
    EXPECT_EQ(world.size(), 3) << "nobody was dead";
    STILL_ASSIGN_OR_RETURN(ranks, CountRanks(world, kLarge));
    EXPECT_EQ(ranks, 3);
    EXPECT_TRUE(SaysYes(world.Vote(true)));
    return Ok();
  });
  EXPECT_THAT(results, Each(IsOk()));
  for (const Script& script : scripts) {
    ASSERT_EQ(script.groups.size(), 2u);
    EXPECT_NE(script.groups[0], script.groups[1]) << "a fresh id";
    EXPECT_EQ(script.groups, scripts[0].groups);
  }
}

TEST(HybridCommunicatorTest, SurvivorsOfADeathGoOnInAGroupOfTheirOwn) {
  for (const int dying : {0, 2}) {
    std::vector<Script> scripts(3);
    const auto results = RunConnected(scripts, [&](Communicator& world, Script&) -> Status {
      if (world.rank() == dying) throw RankDied();
      EXPECT_THAT(CountRanks(world, kLarge), StatusIs(Code::kUnavailable));
      EXPECT_THAT(world.Vote(true), StatusIs(Code::kUnavailable));
      STILL_RETURN_IF_ERROR(world.Shrink());
      EXPECT_EQ(world.size(), 2);
      STILL_ASSIGN_OR_RETURN(const std::int64_t ranks, CountRanks(world, kLarge));
      EXPECT_EQ(ranks, 2);
      EXPECT_TRUE(SaysYes(world.Vote(true)));
      return Ok();
    });
    for (int rank = 0; rank < 3; ++rank) {
      const Status& result = results[static_cast<std::size_t>(rank)];
      EXPECT_THAT(result, StatusIs(rank == dying ? Code::kUnavailable : Code::kOk)) << rank;
    }
  }
}

TEST(HybridCommunicatorTest, ADeathWhileTheSurvivorsJoinIsLeftBehindToo) {
  std::vector<Script> scripts(3);
  scripts[1].on_sum = FailOnce();
  const auto results = RunConnected(scripts, [&](Communicator& world, Script& script) -> Status {
    static_cast<void>(CountRanks(world, kLarge));
    EXPECT_THAT(world.Vote(true), StatusIs(Code::kUnavailable));
    if (world.launch_rank() == 0) script.on_join = Die();
    STILL_RETURN_IF_ERROR(world.Shrink());
    EXPECT_EQ(world.size(), 2);
    STILL_ASSIGN_OR_RETURN(const std::int64_t ranks, CountRanks(world, kLarge));
    EXPECT_EQ(ranks, 2);
    return Ok();
  });
  EXPECT_THAT(results, ElementsAre(StatusIs(Code::kUnavailable, "died"), IsOk(), IsOk()));
}

TEST(HybridCommunicatorTest, OneRankThatCannotJoinKeepsAllFromIt) {
  std::vector<Script> scripts(3);
  scripts[2].on_join = Broken;
  const auto results = RunConnected(scripts, [](Communicator&, Script&) { return Ok(); });
  EXPECT_THAT(results, Each(StatusIs(Code::kUnavailable, "rank 2: a cable was pulled")));
  for (const Script& script : scripts) EXPECT_FALSE(script.in_group);
}

TEST(HybridCommunicatorTest, WithoutAnIdNobodyJoins) {
  std::vector<Script> scripts(2);
  scripts[0].on_id = Broken;
  const auto results = RunConnected(scripts, [](Communicator&, Script&) { return Ok(); });
  EXPECT_THAT(results, Each(StatusIs(Code::kUnavailable, "rank 0: a cable was pulled")));
  for (const Script& script : scripts) EXPECT_TRUE(script.groups.empty());
}

TEST(HybridCommunicatorTest, AGroupThatNeverFormsEndsTheRecovery) {
  std::vector<Script> scripts(2);
  scripts[0].on_sum = FailOnce();
  const auto results = RunConnected(scripts, [&](Communicator& world, Script& script) -> Status {
    static_cast<void>(CountRanks(world, kLarge));
    EXPECT_THAT(world.Vote(true), StatusIs(Code::kUnavailable));
    if (world.rank() == 1) script.on_join = Broken;
    return world.Shrink();
  });
  EXPECT_THAT(results, Each(StatusIs(Code::kUnavailable, HasSubstr("rank 1"))));
  for (const Script& script : scripts) EXPECT_FALSE(script.in_group);
}

}  // namespace
}  // namespace still::worker
