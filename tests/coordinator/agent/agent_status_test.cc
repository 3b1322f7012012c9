#include "coordinator/agent/agent_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "common/clock.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using ::testing::IsEmpty;

constexpr Clock::TimePoint kStart{std::chrono::seconds{1000}};

// Returns the sightings of one rank that spent `time` in compute.
RankSightings Computed(std::chrono::milliseconds time) {
  v1::Heartbeat heartbeat;
  heartbeat.set_phase(v1::PHASE_COMPUTE);
  RankSightings sightings;
  sightings.OnHeartbeat(0, heartbeat, kStart);
  sightings.OnHeartbeat(0, heartbeat, kStart + time);
  return sightings;
}

class AgentStatusTest : public ::testing::Test {
 protected:
  double ComputeSeconds() {
    double seconds = 0;
    const v1::AgentReport report = status_.Report();  // outlives the loop over it
    for (const v1::PhaseSeconds& time : report.phase_seconds())
      if (time.phase() == v1::PHASE_COMPUTE) seconds += time.seconds();
    return seconds;
  }

  AgentStatus status_{v1::AgentTask()};
  AgentCallbacks callbacks_ = status_.Callbacks();
};

TEST_F(AgentStatusTest, PhaseSecondsAreSumsOverAllLaunchesOfTheAttempt) {
  callbacks_.on_generation({.generation = 1});
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  callbacks_.on_ranks(Computed(std::chrono::seconds(3)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
  callbacks_.on_generation({.generation = 2});
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
  callbacks_.on_ranks(Computed(std::chrono::seconds(2)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 5);
  callbacks_.on_generation({.generation = 3});
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 6);
}

TEST_F(AgentStatusTest, SurvivorsThatGoOnInPlaceAreNotCountedTwice) {
  callbacks_.on_generation({.generation = 1});
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  callbacks_.on_generation({.generation = 2, .in_place = true, .recovery = testing::RecoveryOf()});
  callbacks_.on_ranks(Computed(std::chrono::seconds(3)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
}

TEST_F(AgentStatusTest, AGenerationIsNeverReportedWithoutWhatItRecoversFrom) {
  callbacks_.on_generation({.generation = 1});
  EXPECT_THAT(status_.Report().recoveries(), IsEmpty());
  callbacks_.on_generation({.generation = 2, .recovery = testing::RecoveryOf({.survivors = 0})});
  const v1::AgentReport report = status_.Report();
  EXPECT_EQ(report.generation(), 2u);
  EXPECT_FALSE(report.running());
  ASSERT_EQ(report.recoveries_size(), 1);
  EXPECT_EQ(report.recoveries(0).generation(), 2u);
}

}  // namespace
}  // namespace still::coordinator
