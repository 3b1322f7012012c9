#include "coordinator/views/recovery_messages.h"

#include <gtest/gtest.h>

#include "common/death_text.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

TEST(RecoveryMessagesTest, ALineOfTheHistoryShowsEachOfItsRecoveries) {
  v1::HistoryEvent event;
  *event.add_recoveries() = testing::RecoveryOf({.generation = 2});
  *event.add_recoveries() = testing::RecoveryOf({.generation = 3});
  EXPECT_EQ(MessageOf(event), RecoveryText(event.recoveries(0)) + "; " + RecoveryText(event.recoveries(1)));
  event.clear_recoveries();
  event.set_message("held");
  EXPECT_EQ(MessageOf(event), "held");
}

TEST(RecoveryMessagesTest, ALaterDeathOfAnAttemptReplacesAnEarlierRecovery) {
  v1::JobRecovery recovery;
  EXPECT_EQ(MessageOf(recovery), "");
  *recovery.mutable_recovery() = testing::RecoveryOf();
  EXPECT_EQ(MessageOf(recovery), RecoveryText(recovery.recovery()));
  recovery.set_message("its agent died");
  EXPECT_EQ(MessageOf(recovery), "its agent died");
}

TEST(RecoveryMessagesTest, AJobThatRecoveredShowsThatAsLongAsItHasSlots) {
  v1::Job job;
  job.set_state(v1::JOB_RUNNING);
  *job.mutable_last_recovery()->mutable_recovery() = testing::RecoveryOf();
  EXPECT_EQ(MessageOf(job), RecoveryText(job.last_recovery().recovery()));
  job.set_message("generation 3 on a:2");
  EXPECT_EQ(MessageOf(job), "generation 3 on a:2");
  job.clear_message();
  job.set_state(v1::JOB_SUCCEEDED);
  EXPECT_EQ(MessageOf(job), "");
}

}  // namespace
}  // namespace still::coordinator
