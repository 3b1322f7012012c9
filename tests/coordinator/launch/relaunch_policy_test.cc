#include "coordinator/launch/relaunch_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

constexpr Code kDied = Code::kUnavailable;

struct End {
  Code code;
  std::uint64_t step;
  bool in_place = false;
};

// Returns generations 4, 5 and so on. The text of each death is "death N", and the reason of each end is "why N".
std::vector<v1::GenerationEnd> History(const std::vector<End>& ends) {
  std::vector<v1::GenerationEnd> history;
  for (const End& end : ends) {
    const std::uint64_t generation = history.size() + 4;
    v1::GenerationEnd& next = history.emplace_back();
    next.set_generation(generation);
    next.set_code(CodeOnWire(end.code));
    if (IsDeath(end.code)) next.mutable_death()->set_detail(fmt::format("death {}", generation));
    next.set_why(fmt::format("why {}", generation));
    next.set_step(end.step);
    next.set_in_place(end.in_place);
  }
  return history;
}

Decision DecisionAfter(const std::vector<End>& ends, std::uint32_t same_step_failures = 3) {
  return Decide(History(ends), {.stage = v1::STAGE_TRAIN, .same_step_failures = same_step_failures});
}

TEST(RelaunchPolicyTest, WhatFollowsWhichHistory) {
  struct Case {
    const char* name;
    std::vector<End> ends;
    NextAction action;
    milliseconds backoff = milliseconds(0);
  };
  const std::vector<Case> cases = {
      {"success", {{Code::kOk, 9}}, NextAction::kDone},
      {"success after deaths", {{kDied, 3}, {kDied, 3}, {Code::kOk, 9}}, NextAction::kDone},
      {"first death", {{kDied, 0}}, NextAction::kRelaunch},
      {"first death, far in", {{kDied, 700}}, NextAction::kRelaunch},
      {"a fenced launch counts as a death", {{Code::kAborted, 5}}, NextAction::kRelaunch},
      {"death at the same step", {{kDied, 5}, {kDied, 5}}, NextAction::kRelaunch, seconds(1)},
      {"death before the step reached", {{kDied, 5}, {kDied, 2}}, NextAction::kRelaunch, seconds(1)},
      {"third death at the step", {{kDied, 5}, {kDied, 5}, {kDied, 5}}, NextAction::kFail},
      {"a launch that came less far is no gain", {{kDied, 5}, {kDied, 0}, {kDied, 5}}, NextAction::kFail},
      {"a step gained starts anew", {{kDied, 5}, {kDied, 5}, {kDied, 6}}, NextAction::kRelaunch},
      {"and after the gain", {{kDied, 5}, {kDied, 5}, {kDied, 6}, {kDied, 6}}, NextAction::kRelaunch, seconds(1)},
      {"many deaths, each further", {{kDied, 1}, {kDied, 2}, {kDied, 3}, {kDied, 4}}, NextAction::kRelaunch},
      {"survived deaths count", {{kDied, 5, true}, {kDied, 5, true}, {kDied, 5}}, NextAction::kFail},
      {"survived, then a step gained", {{kDied, 5, true}, {kDied, 5, true}, {kDied, 8}}, NextAction::kRelaunch},
      {"cancelled", {{Code::kCancelled, 5}}, NextAction::kFail},
      {"cancelled after a death", {{kDied, 5}, {Code::kCancelled, 5}}, NextAction::kFail},
  };
  for (const Case& c : cases) {
    const Decision decision = DecisionAfter(c.ends);
    EXPECT_EQ(decision.action, c.action) << c.name;
    EXPECT_EQ(decision.backoff, c.backoff) << c.name;
    EXPECT_EQ(decision.failure.ok(), c.action != NextAction::kFail) << c.name;
  }
}

TEST(RelaunchPolicyTest, WhatWouldHappenAgainFailsAtOnceWithItsCodeAndMessage) {
  for (const Code code : {Code::kInvalidArgument, Code::kNotFound, Code::kAlreadyExists, Code::kPermissionDenied,
                          Code::kDataLoss, Code::kResourceExhausted, Code::kInternal}) {
    const Decision decision = DecisionAfter({{code, 5}});
    EXPECT_EQ(decision.action, NextAction::kFail);
    EXPECT_THAT(decision.failure, StatusIs(code, "why 4"));
  }
}

TEST(RelaunchPolicyTest, FailureAfterDeathsTellsOfThem) {
  EXPECT_THAT(DecisionAfter({{kDied, 2}, {kDied, 7}, {Code::kDataLoss, 8}}).failure,
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("why 6"), HasSubstr("death 4"), HasSubstr("death 5"))));
}

TEST(RelaunchPolicyTest, CancelledSaysOnlyThat) {
  EXPECT_THAT(DecisionAfter({{kDied, 2}, {Code::kCancelled, 2}}).failure, StatusIs(Code::kCancelled, "why 5"));
}

TEST(RelaunchPolicyTest, FailureOfAStepHoldsItsDeaths) {
  const Status failure = DecisionAfter({{kDied, 3}, {kDied, 17}, {kDied, 17}, {kDied, 17}}).failure;
  EXPECT_THAT(failure, StatusIs(kDied, AllOf(HasSubstr("3 deaths"), HasSubstr("17"), HasSubstr("death 5"),
                                             HasSubstr("death 6"), HasSubstr("death 7"), HasSubstr("why 7"))));
  EXPECT_THAT(failure.message(), Not(HasSubstr("death 4"))) << "it was followed by progress";
}

TEST(RelaunchPolicyTest, LimitIsTheConfigurations) {
  EXPECT_EQ(DecisionAfter({{kDied, 5}}, 1).action, NextAction::kFail);
  EXPECT_EQ(DecisionAfter({{kDied, 5}, {kDied, 5}, {kDied, 5}}, 4).action, NextAction::kRelaunch);
}

TEST(RelaunchPolicyTest, PauseGrowsToHalfAMinute) {
  std::vector<End> ends;
  std::vector<int> pauses;
  for (int death = 0; death < 9; ++death) {
    ends.push_back({kDied, 5});
    pauses.push_back(static_cast<int>(DecisionAfter(ends, 100).backoff / seconds(1)));
  }
  EXPECT_THAT(pauses, ::testing::ElementsAre(0, 1, 2, 4, 8, 16, 30, 30, 30));
  ends.insert(ends.end(), 80, {kDied, 5});
  EXPECT_EQ(DecisionAfter(ends, 100).backoff, seconds(30));
}

TEST(RelaunchPolicyTest, LostHostEndsAJobOfSeveralAndIsADeathOfAJobOfOne) {
  std::vector<v1::GenerationEnd> ends = History({{kDied, 5}});
  ends.back().mutable_death()->set_host("b");
  const Decision several = Decide(ends, {.stage = v1::STAGE_TRAIN, .several_hosts = true});
  EXPECT_EQ(several.action, NextAction::kFail);
  EXPECT_THAT(several.failure, StatusIs(Code::kUnavailable, HasSubstr("why 4")));
  EXPECT_EQ(Decide(ends, {.stage = v1::STAGE_TRAIN}).action, NextAction::kRelaunch);
  ends.back().set_in_place(true);  // the others went on without it
  EXPECT_NE(Decide(ends, {.stage = v1::STAGE_TARGETS, .several_hosts = true}).action, NextAction::kFail);
}

}  // namespace
}  // namespace still::coordinator
