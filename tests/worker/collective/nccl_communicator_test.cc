// Sums by NCCL on real GPUs, with ranks as threads. Skipped without a GPU; some facts need two. What must hold for any
// transport is in hybrid_communicator_test.cc, which needs none.
#include "worker/collective/nccl_communicator.h"

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
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

// Small pieces, so that a sum takes several and the last is short.
constexpr NcclOptions kOptions{.chunk_bytes = std::size_t{64} << 10, .smallest_bytes = 1 << 10};
constexpr std::size_t kElements = 100'003;

// Returns why a test of `wanted` GPUs cannot run here, or "" when it can.
std::string Missing(int wanted) {
  int devices = 0;
  const cudaError_t code = cudaGetDeviceCount(&devices);
  if (code != cudaSuccess) return fmt::format("no GPU: {}", cudaGetErrorString(code));
  if (devices == 0) return "no GPU: the driver knows none";
  return devices < wanted ? fmt::format("no GPU: {} needed, {} here", wanted, devices) : "";
}

#define NEEDS_GPUS(wanted)                                                                      \
  do {                                                                                          \
    if (const std::string missing = Missing(wanted); !missing.empty()) GTEST_SKIP() << missing; \
  } while (false)

constexpr std::int64_t kBig = std::int64_t{1} << 60;  // a double would lose the low bits

std::int64_t Term(int rank, std::size_t i) { return (rank == 0 ? kBig : -1 - rank) + static_cast<std::int64_t>(i * i); }

std::vector<std::int64_t> TermsOf(int rank) {
  std::vector<std::int64_t> terms(kElements);
  for (std::size_t i = 0; i < terms.size(); ++i) terms[i] = Term(rank, i);
  return terms;
}

// Returns the sum over the ranks 0 to ranks - 1, computed on the CPU.
std::vector<std::int64_t> SumsOf(int ranks) {
  std::vector<std::int64_t> sums(kElements);
  for (int rank = 0; rank < ranks; ++rank) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += Term(rank, i);
  }
  return sums;
}

// Both calls give the exact sums of TermsOf, and the vote passes.
Status SumsAreExact(Communicator& world) {
  const std::vector<std::int64_t> mine = TermsOf(world.rank());
  const std::vector<std::int64_t> wanted = SumsOf(world.size());
  std::vector<std::int64_t> sums(mine.size(), -1);
  STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(mine), std::span(sums)));
  EXPECT_TRUE(sums == wanted);
  EXPECT_TRUE(mine == TermsOf(world.rank())) << "out of place keeps its input";
  sums = mine;
  STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(sums)));
  EXPECT_TRUE(sums == wanted) << "in place";
  STILL_ASSIGN_OR_RETURN(const bool all, world.Vote(true));
  EXPECT_TRUE(all);
  return Ok();
}

Status FloatsAreAdded(Communicator& world) {
  std::vector<float> floats(kElements, 0.5F);
  STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(floats)));
  EXPECT_THAT(floats, Each(0.5F * static_cast<float>(world.size())));
  return world.Barrier();
}

TEST(NcclCommunicatorTest, OneRankSumsExactly) {
  NEEDS_GPUS(1);
  const auto results = RunRanks(1, [](Communicator& control) -> Status {
    STILL_ASSIGN_OR_RETURN(auto world, ConnectNccl(control, kOptions));
    EXPECT_EQ(world->size(), 1);
    STILL_RETURN_IF_ERROR(SumsAreExact(*world));
    return FloatsAreAdded(*world);
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(NcclCommunicatorTest, TwoRanksSumExactly) {
  NEEDS_GPUS(2);
  const auto results = RunRanks(2, [](Communicator& control) -> Status {
    STILL_ASSIGN_OR_RETURN(auto world, ConnectNccl(control, kOptions));
    for (int step = 0; step < 3; ++step) STILL_RETURN_IF_ERROR(SumsAreExact(*world));
    return FloatsAreAdded(*world);
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(NcclCommunicatorTest, ShrinkFormsAFreshGroup) {
  NEEDS_GPUS(1);
  const auto results = RunRanks(1, [](Communicator& control) -> Status {
    STILL_ASSIGN_OR_RETURN(auto world, ConnectNccl(control, kOptions));
    for (int recovery = 0; recovery < 3; ++recovery) {
      STILL_RETURN_IF_ERROR(SumsAreExact(*world));
      STILL_RETURN_IF_ERROR(world->Shrink());
    }
    return SumsAreExact(*world);
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(NcclCommunicatorTest, TheCallersDeviceStaysCurrent) {
  NEEDS_GPUS(2);
  const auto results = RunRanks(1, [](Communicator& control) -> Status {
    cudaSetDevice(1);
    STILL_ASSIGN_OR_RETURN(auto world, ConnectNccl(control, kOptions));  // on device 0
    STILL_RETURN_IF_ERROR(SumsAreExact(*world));
    int device = -1;
    cudaGetDevice(&device);
    EXPECT_EQ(device, 1);
    return Ok();
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(NcclCommunicatorTest, TwoRanksOnOneGpuAreRefused) {
  NEEDS_GPUS(1);
  if (Missing(2).empty()) GTEST_SKIP() << "each rank has a GPU here";
  const auto results = RunRanks(2, [](Communicator& control) { return ConnectNccl(control, kOptions).status(); });
  EXPECT_THAT(results, Each(StatusIs(Code::kUnavailable)));
}

TEST(NcclCommunicatorTest, APeerThatNeverJoinsCostsTheDeadline) {
  NEEDS_GPUS(1);
  NcclOptions options = kOptions;
  options.deadline = std::chrono::milliseconds(1500);
  const auto results = RunRanks(2, [&](Communicator& control) -> Status {
    if (control.rank() == 0) {
      const auto started = std::chrono::steady_clock::now();
      const Status connected = ConnectNccl(control, options).status();
      EXPECT_GE(std::chrono::steady_clock::now() - started, options.deadline);
      return connected;
    }
    // Takes part in opening and in the sharing of the id, then dies.
    STILL_ASSIGN_OR_RETURN(const bool opened, control.Vote(true));
    EXPECT_TRUE(opened);
    std::string id;
    STILL_RETURN_IF_ERROR(control.Broadcast(&id, 0));
    throw RankDied();
  });
  EXPECT_THAT(results[0], StatusIs(Code::kUnavailable));
}

TEST(NcclCommunicatorTest, ADeathEndsASumAtTheDeadlineAndTheSurvivorGoesOn) {
  NEEDS_GPUS(2);
  NcclOptions options = kOptions;
  options.deadline = std::chrono::milliseconds(3000);
  // A dead rank's communicator stays as it was: a killed process tells its peers nothing either.
  std::vector<std::unique_ptr<Communicator>> worlds(2);
  const auto results = RunRanks(2, [&](Communicator& control) -> Status {
    auto& world = worlds[static_cast<std::size_t>(control.rank())];
    STILL_ASSIGN_OR_RETURN(world, ConnectNccl(control, options));
    STILL_RETURN_IF_ERROR(SumsAreExact(*world));
    if (world->rank() == 1) throw RankDied();
    std::vector<std::int64_t> values = TermsOf(0);
    EXPECT_THAT(world->AllReduceSum(std::span(values)), StatusIs(Code::kUnavailable));
    EXPECT_THAT(world->Vote(false), StatusIs(Code::kUnavailable));
    STILL_RETURN_IF_ERROR(world->Shrink());
    EXPECT_EQ(world->size(), 1);
    return SumsAreExact(*world);
  });
  EXPECT_THAT(results, ElementsAre(IsOk(), StatusIs(Code::kUnavailable, "died")));
}

TEST(NcclCommunicatorTest, WithoutAGpuEveryRankIsTold) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) GTEST_SKIP() << "this host has a GPU";
  const auto results = RunRanks(2, [](Communicator& control) { return ConnectNccl(control, kOptions).status(); });
  EXPECT_THAT(results, Each(StatusIs(Code::kUnavailable, HasSubstr("GPU"))));
}

}  // namespace
}  // namespace still::worker
