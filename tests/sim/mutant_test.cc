// Tests of the checks: each mutant of the decisions breaks one promise in a small way, and the simulator must detect
// it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/sim/sim_cluster.h"

namespace still::sim {
namespace {

using coordinator::Changes;
using coordinator::HoldsSlots;
using coordinator::State;
using v1::Job;

constexpr std::uint64_t kSeeds = 60;

// Returns what the first seed that detects the mutant reports, or an empty text.
std::string Detected(const Mutation& mutation) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    if (seed % 21 == 0 || seed % 101 == 0) continue;  // a large cluster
    const RunResult result = RunScenario(ScenarioOf(seed), mutation);
    if (!result.broken.empty()) return result.broken;
  }
  return "";
}

Mutation OfStarts(std::function<void(const State&, Job*)> change) {
  return {.decide =
              [change = std::move(change)](const State& state, Changes* changes) {
                for (Job& job : changes->jobs) {
                  const Job* const before = state.FindJob(job.id());
                  if (before != nullptr && !HoldsSlots(before->state()) && HoldsSlots(job.state())) change(state, &job);
                }
              },
          .replay = nullptr,
          .decisions = {}};
}

TEST(MutantTest, AMutantThatDoubleBooksSlotsIsDetected) {
  const Mutation mutant = OfStarts([](const State&, Job* job) {
    if (job->placement().empty()) return;  // attached ranks have no placement of ours
    auto* const only = job->mutable_placement(0);
    only->set_ranks(job->spec().ranks());
    while (job->placement_size() > 1) job->mutable_placement()->RemoveLast();
  });
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("double-book"));
}

TEST(MutantTest, AMutantThatPlacesPartOfAGangIsDetected) {
  const Mutation mutant = OfStarts([](const State&, Job* job) {
    if (job->placement_size() > 1) job->mutable_placement()->RemoveLast();
  });
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("ranks of its gang"));
}

TEST(MutantTest, AMutantThatReusesAnAttemptNumberIsDetected) {
  const Mutation mutant = OfStarts([](const State&, Job* job) {
    if (job->attempt() > 1) job->set_attempt(job->attempt() - 1);
  });
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("starts as attempt"));
}

TEST(MutantTest, AMutantThatForgetsAnAcknowledgedJobIsDetected) {
  const Mutation mutant = {.decide =
                               [](const State&, Changes* changes) {
                                 if (changes->pipelines.empty() || changes->jobs.size() < 2) return;
                                 changes->jobs.pop_back();
                                 changes->events.pop_back();
                               },
                           .replay = nullptr,
                           .decisions = {}};
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("was acknowledged and is lost"));
}

TEST(MutantTest, AMutantThatLosesASubmissionInACrashIsDetected) {
  const Mutation mutant = {.decide = nullptr, .replay = [](std::vector<Changes>* batches) {
                             std::erase_if(*batches, [](const Changes& batch) {
                               return !batch.pipelines.empty() && batch.pipelines.front().id() == 2;
                             });
                           }};
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("was acknowledged and is lost"));
}

TEST(MutantTest, AMutantThatFreesSlotsTooSoonIsDetected) {
  const Mutation mutant = {.decide =
                               [](const State&, Changes* changes) {
                                 for (Job& job : changes->jobs) {
                                   if (job.state() != v1::JOB_COMPLETING) continue;
                                   job.set_state(v1::JOB_PENDING);
                                   job.clear_after();
                                   for (auto& event : changes->events)
                                     if (event.job() == job.id()) event.set_to(job.state());
                                 }
                               },
                           .replay = nullptr,
                           .decisions = {}};
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("whose processes still run"));
}

// Without reservations every job that fits starts, and a wide gang never does.
TEST(MutantTest, AMutantWhoseBackfillDelaysOthersIsDetected) {
  coordinator::DecisionOptions greedy;
  greedy.scheduler.reservations = 0;
  EXPECT_THAT(Detected({.decide = nullptr, .replay = nullptr, .decisions = greedy}),
              ::testing::HasSubstr("delays job"));
}

TEST(MutantTest, AMutantThatGuessesWhetherAnArtifactExistsIsDetected) {
  EXPECT_THAT(Detected({.decide = nullptr, .replay = nullptr, .decisions = {}, .guesses = true}),
              ::testing::HasSubstr("nobody can say"));
}

TEST(MutantTest, AMutantThatNeverSeesAnAgentDieIsDetected) {
  const Mutation mutant = {.decide =
                               [](const State&, Changes* changes) {
                                 for (const Job& job : changes->jobs)
                                   if (job.cause() == v1::CAUSE_AGENT_LOST) return void(*changes = {});
                               },
                           .replay = nullptr,
                           .decisions = {}};
  EXPECT_THAT(Detected(mutant), ::testing::HasSubstr("have not ended"));
}

}  // namespace
}  // namespace still::sim
