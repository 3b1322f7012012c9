#include "coordinator/agent/agent_status.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "common/clock.h"

namespace still::coordinator {
namespace {

constexpr Clock::TimePoint kStart{std::chrono::seconds{1000}};

// Of a rank that spent so long in compute.
PhaseTimes Computed(std::chrono::milliseconds time) {
  PhaseTimes times;
  times.Heard({.rank = 0, .phase = "compute"}, kStart);
  times.Heard({.rank = 0, .phase = "compute"}, kStart + time);
  return times;
}

class AgentStatusTest : public ::testing::Test {
 protected:
  double ComputeSeconds() { return status_.Report().phase_seconds().at("compute"); }

  AgentStatus status_{{}, Clock::System()};
  AgentCallbacks callbacks_ = status_.Callbacks();
};

TEST_F(AgentStatusTest, SecondsOfThePhasesAreOfAllLaunchesOfTheAttempt) {
  callbacks_.on_generation(1);
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  callbacks_.on_ranks(Computed(std::chrono::seconds(3)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
  callbacks_.on_generation(2);
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
  callbacks_.on_ranks(Computed(std::chrono::seconds(2)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 5);
  callbacks_.on_generation(3);
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 6);
}

TEST_F(AgentStatusTest, SurvivorsThatGoOnInPlaceAreNotCountedTwice) {
  callbacks_.on_generation(1);
  callbacks_.on_ranks(Computed(std::chrono::seconds(1)));
  callbacks_.on_in_place(2);
  callbacks_.on_ranks(Computed(std::chrono::seconds(3)));
  EXPECT_DOUBLE_EQ(ComputeSeconds(), 3);
}

}  // namespace
}  // namespace still::coordinator
