#include "worker/guardian/guardian.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "tests/testing/process.h"

namespace still::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::Process;
using testing::ProcessResult;

constexpr double kNever = 600;

// The test is the coordinator; guarded_rank.cc is the rank.
class GuardianTest : public ::testing::Test {
 protected:
  GuardianTest() : server_(*RpcServer::Bind("tcp://127.0.0.1:*")) { reply_.emplace().mutable_heartbeat_reply(); }

  Process Rank(const std::string& behaviour, double floor_seconds, double orphan_seconds = kNever) {
    return Process({STILL_GUARDED_RANK, server_->endpoint(), behaviour, std::to_string(floor_seconds),
                    std::to_string(orphan_seconds)});
  }

  // Hears heartbeats and answers them with reply_ until `holds`, for as long as a loaded machine may need.
  bool HearUntil(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      if (holds()) return true;
      const Result<std::optional<RpcMessage>> message = server_->Receive(milliseconds(20));
      if (!message.ok() || !*message) continue;
      v1::Envelope said;
      if (!said.ParseFromString((*message)->payload)) return false;
      heard_.push_back(said);
      if (reply_ && !server_->Send((*message)->peer, reply_->SerializeAsString()).ok()) return false;
    }
    ADD_FAILURE() << "what was waited for never came";
    return false;
  }
  bool HearHeartbeat() {
    return HearUntil([this] { return !heard_.empty() && heard_.back().has_heartbeat(); });
  }

  // How the rank ended, once it has.
  ProcessResult End(Process& rank) {
    HearUntil([&] { return !rank.Running(); });
    return rank.Running() ? ProcessResult() : rank.Wait();
  }
  // The guardian's last words.
  v1::RankKilled Killed() {
    const auto said = [this] { return !heard_.empty() && heard_.back().has_rank_killed(); };
    return HearUntil(said) ? heard_.back().rank_killed() : v1::RankKilled();
  }

  pid_t GuardianOf(Process& rank) {
    HearUntil([&] { return rank.Output().find('\n') != std::string::npos; });
    const std::string text = rank.Output();
    const std::size_t at = text.find("guardian ");
    return at == text.npos ? 0 : std::atoi(text.c_str() + at + std::string("guardian ").size());
  }

  std::unique_ptr<RpcServer> server_;
  std::optional<v1::Envelope> reply_;  // nothing: silent
  std::vector<v1::Envelope> heard_;
};

TEST_F(GuardianTest, HeartbeatsSayWhereTheRankIs) {
  Process rank = Rank("works", kNever);
  ASSERT_TRUE(
      HearUntil([this] { return heard_.size() >= 3 && heard_.back().heartbeat().phase() == v1::PHASE_COMPUTE; }));
  const v1::Envelope& said = heard_.back();
  EXPECT_EQ(said.generation(), 5u);
  EXPECT_EQ(said.rank(), 2u);
  EXPECT_EQ(said.heartbeat().step(), 17u);
  EXPECT_EQ(said.heartbeat().microbatch(), 3u);
  EXPECT_GE(said.heartbeat().phase_seconds(), 0);
}

TEST_F(GuardianTest, ARankThatHangsIsNamedShowsItsStackAndIsKilled) {
  Process rank = Rank("computes", 0.3);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_THAT(end.err, AllOf(HasSubstr("compute of step 17, microbatch 3"), HasSubstr("0.3 s")));
  EXPECT_THAT(end.err, HasSubstr("stack of rank 2 (process " + std::to_string(rank.pid()) + ")"));
  EXPECT_THAT(end.err, HasSubstr("guarded_rank("));  // a frame
  const v1::RankKilled killed = Killed();
  EXPECT_EQ(killed.cause(), v1::DEATH_CAUSE_HUNG);
  EXPECT_EQ(killed.phase(), v1::PHASE_COMPUTE);
  EXPECT_EQ(killed.step(), 17u);
  EXPECT_GE(killed.phase_seconds(), 0.3);
}

TEST_F(GuardianTest, ARankThatShouldShowProgressAndDoesNotIsKilled) {
  Process rank = Rank("commit", 0.2);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_THAT(end.err, HasSubstr("1.2 s")) << "the limit of a commit";
  EXPECT_EQ(Killed().phase(), v1::PHASE_COMMIT);
}

TEST_F(GuardianTest, ASlowRankThatShowsProgressOrWaitsForADiskIsNotKilled) {
  Process rank = Rank("progress", 0.1);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.exit_code, 0) << end.err;
}

TEST_F(GuardianTest, AStoppedRankIsKilledThoughItWaitsForOthers) {
  Process rank = Rank("reduces", 1);
  ASSERT_TRUE(HearUntil([this] { return !heard_.empty() && heard_.back().heartbeat().phase() == v1::PHASE_REDUCE; }));
  rank.SignalSelf(SIGSTOP);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.signal, SIGKILL);
  const v1::RankKilled killed = Killed();
  EXPECT_EQ(killed.cause(), v1::DEATH_CAUSE_STOPPED);
  EXPECT_EQ(killed.phase(), v1::PHASE_REDUCE);
  EXPECT_EQ(killed.step(), 17u);
}

TEST_F(GuardianTest, AStoppedRankOfAStageWithoutStepsIsKilled) {
  Process rank = Rank("stage", 0.2);
  ASSERT_TRUE(HearUntil([this] { return !heard_.empty() && heard_.back().heartbeat().phase_seconds() > 0.5; }));
  rank.SignalSelf(SIGSTOP);
  EXPECT_EQ(End(rank).signal, SIGKILL);
  const v1::RankKilled killed = Killed();
  EXPECT_EQ(killed.cause(), v1::DEATH_CAUSE_STOPPED);
  EXPECT_EQ(killed.phase(), v1::PHASE_WAIT);
}

TEST_F(GuardianTest, ARankThatWaitsForOthersHasTimeForTheirGuardians) {
  Process rank = Rank("reduces", 0.4);
  EXPECT_EQ(End(rank).signal, SIGKILL);
  const v1::RankKilled killed = Killed();
  EXPECT_EQ(killed.cause(), v1::DEATH_CAUSE_HUNG);
  EXPECT_GE(killed.phase_seconds(), 6 * 0.4);
}

TEST_F(GuardianTest, TimeInWhichTheGuardianDidNotRunDoesNotCount) {
  Process rank = Rank("computes", 2);
  const pid_t guardian = GuardianOf(rank);
  ASSERT_GT(guardian, 0);
  ASSERT_TRUE(HearHeartbeat());
  kill(guardian, SIGSTOP);
  std::this_thread::sleep_for(milliseconds(2500));
  kill(guardian, SIGCONT);
  EXPECT_EQ(End(rank).signal, SIGKILL);
  EXPECT_GE(Killed().phase_seconds(), 2.5 + 2);
}

TEST_F(GuardianTest, AFencedRankIsKilled) {
  reply_.emplace().mutable_fenced()->set_current_generation(6);
  Process rank = Rank("works", kNever);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_THAT(end.err, AllOf(HasSubstr("generation 5"), HasSubstr("generation 6")));
  EXPECT_EQ(Killed().cause(), v1::DEATH_CAUSE_FENCED);
}

TEST_F(GuardianTest, ARankWhoseCoordinatorIsSilentIsKilled) {
  reply_.reset();
  Process rank = Rank("works", kNever, 0.5);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_THAT(end.err, HasSubstr(server_->endpoint()));
  EXPECT_EQ(Killed().cause(), v1::DEATH_CAUSE_ORPHANED);
}

TEST_F(GuardianTest, ARankWhoseCoordinatorIsGoneIsKilled) {
  Process rank = Rank("works", kNever, 0.5);
  ASSERT_TRUE(HearHeartbeat());
  server_.reset();
  EXPECT_EQ(rank.Wait().signal, SIGKILL);
}

TEST_F(GuardianTest, ADrainIsPassedOn) {
  Process rank = Rank("works", kNever);
  ASSERT_TRUE(HearHeartbeat());
  EXPECT_TRUE(rank.Running());
  reply_->mutable_heartbeat_reply()->set_drain(true);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.exit_code, 0) << end.err;
}

TEST_F(GuardianTest, SigtermToTheGroupAsksForADrainAndSparesTheGuardian) {
  Process rank = Rank("works", kNever);
  ASSERT_TRUE(HearHeartbeat());
  ASSERT_GT(GuardianOf(rank), 0);
  rank.SignalGroup(SIGTERM);
  const ProcessResult end = End(rank);
  EXPECT_EQ(end.exit_code, 0) << end.err;  // by SIGKILL if the guardian had died of it
}

TEST_F(GuardianTest, AnyProcessMayAskForTheStackAndTheRankContinues) {
  Process rank = Rank("works", kNever);
  ASSERT_TRUE(HearHeartbeat());
  ASSERT_GT(GuardianOf(rank), 0);
  rank.SignalGroup(SIGUSR1);
  ASSERT_TRUE(HearUntil([&] { return rank.Output().find("stack of rank 2") != std::string::npos; }));
  rank.SignalSelf(SIGTERM);
  EXPECT_EQ(End(rank).exit_code, 0);
}

TEST_F(GuardianTest, ARankWithoutItsGuardianKillsItself) {
  Process rank = Rank("works", kNever);
  const pid_t guardian = GuardianOf(rank);
  ASSERT_GT(guardian, 0);
  ASSERT_EQ(kill(guardian, SIGKILL), 0);
  EXPECT_EQ(End(rank).signal, SIGKILL);
}

TEST_F(GuardianTest, AGuardianTellsWhereItsRankDiedAndEndsWithIt) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that this process hears how the guardian ended
  Process rank = Rank("works", kNever);
  const pid_t guardian = GuardianOf(rank);
  ASSERT_GT(guardian, 0);
  ASSERT_TRUE(HearHeartbeat());
  rank.SignalSelf(SIGKILL);
  EXPECT_EQ(End(rank).signal, SIGKILL);
  int status = 0;
  EXPECT_TRUE(HearUntil([&] { return waitpid(guardian, &status, WNOHANG) == guardian; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const v1::RankKilled killed = Killed();
  EXPECT_EQ(killed.cause(), v1::DEATH_CAUSE_DIED);
  EXPECT_EQ(killed.step(), 17u);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(GuardianTest, HeartbeatsSayTheHostAndTheProcessOfTheRank) {
  const Process rank({STILL_GUARDED_RANK, server_->endpoint(), "works", "600", "600"}, {{"STILL_HOST", "node7"}});
  ASSERT_TRUE(HearHeartbeat());
  EXPECT_EQ(heard_.back().heartbeat().host(), "node7");
  EXPECT_EQ(heard_.back().heartbeat().pid(), static_cast<std::uint32_t>(rank.pid()));
}

}  // namespace
}  // namespace still::worker
