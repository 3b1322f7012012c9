// The table of allowed moves, and the transactions that are checked against it.
#include "coordinator/jobs/transitions.h"
#include "common/enum_words.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <vector>

#include "coordinator/jobs/transaction.h"

namespace still::coordinator {
namespace {

std::vector<v1::JobState> AllStates() {
  std::vector<v1::JobState> states;
  for (int i = 0; i < v1::JobState_ARRAYSIZE; ++i)
    if (v1::JobState_IsValid(i)) states.push_back(static_cast<v1::JobState>(i));
  return states;
}

State StateWith(v1::JobState state) {
  Changes changes;
  changes.jobs.emplace_back().set_id(1);
  changes.jobs.back().set_state(state);
  State records;
  records.Apply(changes);
  return records;
}

void Move(v1::JobState from, v1::JobState to) {
  const State state = StateWith(from);
  Transaction transaction(state, 1000);
  transaction.Move(1, from, to, v1::CAUSE_USER, "alice");
  EXPECT_EQ(transaction.job(1).state(), to);
  EXPECT_EQ(std::move(transaction).TakeChanges().events.front().to(), to);
}

TEST(TransitionsTest, TheTableHoldsExactlyTheseMoves) {
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"", "HELD PENDING"},
      {"HELD", "PENDING CANCELLED"},
      {"PENDING", "HELD PENDING STARTING SUCCEEDED CANCELLED"},
      {"STARTING", "PENDING RUNNING RECOVERING PREEMPTING COMPLETING SUCCEEDED FAILED CANCELLED"},
      {"RUNNING", "PENDING STARTING RECOVERING PREEMPTING COMPLETING SUCCEEDED FAILED CANCELLED"},
      {"RECOVERING", "HELD PENDING STARTING SUCCEEDED CANCELLED"},
      {"PREEMPTING", "PENDING COMPLETING SUCCEEDED FAILED"},
      {"COMPLETING", "HELD PENDING COMPLETING SUCCEEDED FAILED CANCELLED TIMEOUT"},
      {"SUCCEEDED", ""},
      {"FAILED", "PENDING"},
      {"CANCELLED", "PENDING"},
      {"TIMEOUT", "PENDING"},
  };
  std::vector<std::pair<std::string, std::string>> table;
  for (const v1::JobState from : AllStates()) {
    std::string moves;
    for (const v1::JobState to : AllStates())
      if (MayMove(from, to)) moves += (moves.empty() ? "" : " ") + EnumWord(to);
    table.emplace_back(EnumWord(from), moves);
  }
  EXPECT_THAT(table, ::testing::UnorderedElementsAreArray(expected));
}

TEST(TransitionsTest, EveryStateIsReachedAndEveryStateButSuccessCanBeLeft) {
  std::set<v1::JobState> reached = {v1::JOB_STATE_UNSPECIFIED};
  for (const v1::JobState from : AllStates()) {
    for (const v1::JobState to : MovesFrom(from)) reached.insert(to);
    EXPECT_EQ(MovesFrom(from).empty(), from == v1::JOB_SUCCEEDED) << EnumWord(from);
  }
  EXPECT_EQ(reached.size(), AllStates().size());
}

TEST(TransitionsTest, OnlyJobsWithoutSlotsGetThemAndOnlyByStarting) {
  for (const v1::JobState from : AllStates()) {
    for (const v1::JobState to : MovesFrom(from))
      EXPECT_TRUE(HoldsSlots(from) || !HoldsSlots(to) || (IsWaiting(from) && to == v1::JOB_STARTING))
          << EnumWord(from) << " to " << EnumWord(to);
  }
}

TEST(TransitionsTest, AJobIsQueuedHoldsSlotsOrHasEnded) {
  for (const v1::JobState state : AllStates()) {
    if (state == v1::JOB_STATE_UNSPECIFIED) continue;
    EXPECT_EQ(IsQueued(state) + HoldsSlots(state) + IsTerminal(state), 1) << EnumWord(state);
    EXPECT_EQ(IsQueued(state), IsWaiting(state) || state == v1::JOB_HELD) << EnumWord(state);
  }
}

TEST(TransitionsTest, AStateOfAnotherVersionLeadsNowhere) {
  EXPECT_TRUE(MovesFrom(static_cast<v1::JobState>(99)).empty());
  EXPECT_TRUE(MovesFrom(static_cast<v1::JobState>(-1)).empty());
}

TEST(TransitionsDeathTest, ATransactionMovesAJobAsTheTableSaysAndNotOtherwise) {
  for (const v1::JobState from : AllStates()) {
    if (from == v1::JOB_STATE_UNSPECIFIED) continue;
    for (const v1::JobState to : MovesFrom(from)) Move(from, to);
  }
  EXPECT_DEATH(Move(v1::JOB_SUCCEEDED, v1::JOB_PENDING), "MayMove");
  EXPECT_DEATH(Move(v1::JOB_HELD, v1::JOB_STARTING), "MayMove");
}

TEST(TransitionsDeathTest, AMoveFromAnotherStateThanTheCallerSawEndsTheProcess) {
  const State state = StateWith(v1::JOB_RUNNING);
  Transaction transaction(state, 1000);
  EXPECT_DEATH(transaction.Move(1, v1::JOB_STARTING, v1::JOB_RUNNING, v1::CAUSE_STARTED, "agent"), "== from");
}

}  // namespace
}  // namespace still::coordinator
