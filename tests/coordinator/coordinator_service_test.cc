// The coordinator around its core: what is written before what is said, and what a restart finds.
#include "coordinator/service/coordinator.h"

#include <gmock/gmock.h>

#include "common/protocol.h"
#include "coordinator/core/names.h"
#include "tests/testing/memory_kv_store.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using stillhouse::v1::AgentReport;
using stillhouse::v1::ClientReply;
using stillhouse::v1::ClientRequest;
using ::testing::HasSubstr;

class ManualClock : public Clock {
 public:
  TimePoint Now() const override { return now; }
  UnixMs WallMs() const override { return 1'700'000'000'000; }
  void SleepFor(std::chrono::milliseconds duration) override { now += duration; }
  TimePoint now;
};

// Agents that do what a test says.
class ScriptedAgents : public Agents {
 public:
  Status Start(stillhouse::v1::AgentTask task) override {
    if (!refusal.ok()) return refusal;
    traces[{task.job(), task.attempt()}] = AgentTrace::kAlive;
    started.push_back(fmt::format("{}.{}", task.job(), task.attempt()));
    return Ok();
  }
  AgentTrace Look(std::uint64_t job, std::uint64_t attempt) override {
    const auto trace = traces.find({job, attempt});
    return trace == traces.end() ? AgentTrace::kNeverStarted : trace->second;
  }
  Result<AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override {
    AgentReport report;
    report.set_protocol(kProtocol);
    report.set_job(job);
    report.set_attempt(attempt);
    report.mutable_outcome()->set_code(0);
    return report;
  }
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override {
    return fmt::format("/logs/{}.{}", job, attempt);
  }

  Status refusal;
  std::map<std::pair<std::uint64_t, std::uint64_t>, AgentTrace> traces;
  std::vector<std::string> started;
};

class CoordinatorServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  // As after a kill: everything but disk and agents is new.
  void Restart() {
    coordinator_.reset();
    journal_ = std::make_unique<Journal>("journal", std::make_unique<testing::MemoryKvStore>(disk_));
    coordinator_ = std::make_unique<Coordinator>(
        CoordinatorOptions{
            .fresh_identity = "ours", .worker = "/bin/still-worker", .is_made = [](const auto&) { return false; }},
        *journal_, agents_, clock_);
    stillhouse::v1::Host host;
    host.set_name("localhost");
    host.set_slots(4);
    ASSERT_OK(coordinator_->Open({host}));
  }

  ClientRequest SubmitRequest(const std::string& key) {
    ClientRequest request;
    request.set_protocol(kProtocol);
    request.set_request(++last_request_);
    request.set_user("alice");
    request.mutable_submit()->set_key(key);
    request.mutable_submit()->set_name("pipeline");
    stillhouse::v1::JobSpec& job = *request.mutable_submit()->add_jobs();
    job.set_name("pipeline/train");
    job.set_stage(stillhouse::v1::STAGE_TRAIN);
    job.set_artifacts_root("/artifacts");
    job.set_kind("student");
    job.set_digest("d" + key);
    job.set_ranks(2);
    job.set_slots_per_rank(1);
    job.set_retries(3);
    return request;
  }
  // Over the wire: the reply that was allowed out.
  std::optional<ClientReply> Send(const ClientRequest& request) {
    stillhouse::v1::CoordinatorMessage message;
    *message.mutable_client() = request;
    coordinator_->Take("client", message.SerializeAsString());
    std::optional<ClientReply> reply;
    for (const OutgoingMessage& answer : coordinator_->Settle()) {
      EXPECT_EQ(answer.peer, "client");
      EXPECT_TRUE(reply.emplace().ParseFromString(answer.payload));
    }
    return reply;
  }
  AgentReport Report(std::uint64_t job) const {
    AgentReport report;
    report.set_protocol(kProtocol);
    report.set_job(job);
    report.set_attempt(coordinator_->state().FindJob(job)->attempt());
    report.set_sequence(1);
    report.set_generation(1);
    report.set_running(true);
    return report;
  }
  std::string StateOf(std::uint64_t job) const { return StateName(coordinator_->state().FindJob(job)->state()); }
  std::string View(const std::string& view, std::uint64_t job = 0) {
    ClientRequest request;
    request.set_protocol(kProtocol);
    request.mutable_query()->set_view(view);
    request.mutable_query()->set_job(job);
    return coordinator_->Ask(request).json();
  }
  void Later(std::int64_t ms) {
    clock_.now += std::chrono::milliseconds(ms);
    coordinator_->Settle();
  }

  std::uint64_t last_request_ = 0;
  std::shared_ptr<testing::MemoryDisk> disk_ = std::make_shared<testing::MemoryDisk>();
  ScriptedAgents agents_;
  ManualClock clock_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorServiceTest, WhatIsAcknowledgedIsOnDiskAndItsAgentStarted) {
  const auto reply = Send(SubmitRequest("a"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code(), 0U);
  EXPECT_EQ(reply->request(), last_request_);
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
  Restart();
  EXPECT_EQ(StateOf(1), "STARTING");
  EXPECT_EQ(coordinator_->state().FindJob(1)->log_path(), "/logs/1.1");
}

TEST_F(CoordinatorServiceTest, AJobThatRanIsAdoptedNotStartedAgain) {
  Send(SubmitRequest("a"));
  coordinator_->Hear(Report(1));
  coordinator_->Settle();
  Restart();
  Later(10'000);
  EXPECT_EQ(StateOf(1), "RUNNING") << "silence is no death";
  EXPECT_THAT(View("queue"), HasSubstr("RECONCILING"));
  EXPECT_EQ(agents_.started.size(), 1U);
  coordinator_->Hear(Report(1));
  EXPECT_EQ(View("queue").find("RECONCILING"), std::string::npos);
}

TEST_F(CoordinatorServiceTest, AStartThatWasJournaledButNotMadeIsMadeByTheNextCoordinator) {
  Send(SubmitRequest("a"));
  agents_.traces.clear();  // it was killed between the two
  agents_.started.clear();
  Restart();
  coordinator_->Settle();
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
}

TEST_F(CoordinatorServiceTest, AnOutcomeThatNobodyHeardIsFoundAfterARestart) {
  Send(SubmitRequest("a"));
  coordinator_->Hear(Report(1));
  coordinator_->Settle();
  agents_.traces[{1, 1}] = AgentTrace::kEnded;
  Restart();
  coordinator_->Settle();
  EXPECT_EQ(StateOf(1), "SUCCEEDED");
}

TEST_F(CoordinatorServiceTest, ASilentAgentIsUnreachableUntilItIsKnownToBeGone) {
  Send(SubmitRequest("a"));
  coordinator_->Hear(Report(1));
  Later(60'000);
  EXPECT_EQ(StateOf(1), "RUNNING");
  EXPECT_THAT(View("queue"), HasSubstr("UNREACHABLE"));
  agents_.traces[{1, 1}] = AgentTrace::kGone;
  Later(5000);
  EXPECT_EQ(StateOf(1), "STARTING") << "its second attempt";
  EXPECT_EQ(agents_.started, (std::vector<std::string>{"1.1", "1.2"}));
}

TEST_F(CoordinatorServiceTest, AFullDiskRefusesChangesAnswersQuestionsAndHeals) {
  Send(SubmitRequest("a"));
  coordinator_->Hear(Report(1));
  coordinator_->Settle();
  disk_->full = true;
  EXPECT_FALSE(Send(SubmitRequest("b"))) << "nothing is said that is not on disk";
  const auto refused = Send(SubmitRequest("b"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), static_cast<std::uint32_t>(Code::kResourceExhausted));
  EXPECT_THAT(View("queue"), HasSubstr("DEGRADED_STORAGE"));
  AgentReport ended = Report(1);
  ended.mutable_outcome()->set_code(0);
  EXPECT_FALSE(coordinator_->Hear(ended).acknowledged()) << "an outcome that is not kept";
  EXPECT_EQ(StateOf(1), "RUNNING");

  disk_->full = false;
  Later(2000);
  EXPECT_TRUE(coordinator_->Hear(ended).acknowledged());
  coordinator_->Settle();
  EXPECT_EQ(StateOf(1), "SUCCEEDED");
  const auto accepted = Send(SubmitRequest("b"));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->code(), 0U);
  EXPECT_EQ(accepted->jobs(0), 2U) << "the refused one left nothing behind";
}

TEST_F(CoordinatorServiceTest, AWriteThatFailedAndIsFoundDoneAfterAllCounts) {
  Send(SubmitRequest("a"));
  disk_->full = true;
  const ClientRequest submit = SubmitRequest("b");
  EXPECT_FALSE(Send(submit));
  disk_->full = false;
  {  // as a database does that finds the batch whole in its log
    testing::MemoryKvStore late(disk_);
    KvBatch batch;
    stillhouse::v1::Job job = *coordinator_->state().FindJob(1);
    job.set_id(2);
    job.mutable_spec()->set_digest("db");
    batch.Put(fmt::format("job/{:020}", 2), job.SerializeAsString());
    ASSERT_OK(late.Commit(batch));
  }
  Later(2000);
  ASSERT_NE(coordinator_->state().FindJob(2), nullptr);
  EXPECT_EQ(Send(SubmitRequest("c"))->jobs(0), 3U) << "no number is given twice";
}

TEST_F(CoordinatorServiceTest, AnAgentOfAnotherJournalIsLeftAlone) {
  Send(SubmitRequest("a"));
  AgentReport stranger = Report(1);
  stranger.set_journal("another");
  stranger.mutable_outcome()->set_code(0);
  EXPECT_FALSE(coordinator_->Hear(stranger).kill());
  EXPECT_EQ(StateOf(1), "STARTING");
}

TEST_F(CoordinatorServiceTest, AnAgentThatCannotBeStartedFailsItsJob) {
  agents_.refusal = Error(Code::kNotFound, "no still at /nowhere");
  Send(SubmitRequest("a"));
  EXPECT_EQ(StateOf(1), "FAILED");
  EXPECT_THAT(coordinator_->state().FindJob(1)->message(), HasSubstr("/nowhere"));
}

TEST_F(CoordinatorServiceTest, AChangeThatArrivesTwiceIsMadeOnce) {
  Send(SubmitRequest("a"));
  coordinator_->Hear(Report(1));
  coordinator_->Settle();
  ClientRequest cancel;
  cancel.set_protocol(kProtocol);
  cancel.set_request(++last_request_);
  cancel.mutable_change()->set_verb(stillhouse::v1::ChangeJobs::CANCEL);
  cancel.mutable_change()->add_jobs(1);
  EXPECT_EQ(Send(cancel)->jobs_size(), 1);
  EXPECT_EQ(Send(cancel)->jobs_size(), 1) << "the same answer";
  EXPECT_FALSE(coordinator_->Hear(Report(1)).kill()) << "as a second wish to cancel would";
  cancel.set_request(++last_request_);
  Send(cancel);
  EXPECT_TRUE(coordinator_->Hear(Report(1)).kill());
}

TEST_F(CoordinatorServiceTest, AnotherVersionOfTheProtocolIsRefusedByName) {
  ClientRequest request = SubmitRequest("a");
  request.set_protocol(kProtocol + 1);
  const auto reply = Send(request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code(), static_cast<std::uint32_t>(Code::kInvalidArgument));
  EXPECT_THAT(reply->message(), HasSubstr("version"));
}

TEST_F(CoordinatorServiceTest, BytesThatMakeNoSenseAreDropped) {
  coordinator_->Take("stranger", "\x00\xff garbage");
  coordinator_->Take("stranger", "");
  EXPECT_TRUE(coordinator_->Settle().empty());
}

TEST_F(CoordinatorServiceTest, RanksOfAnMpirunTypedByHandAreGivenTheirTaskOnceItIsThere) {
  ClientRequest request = SubmitRequest("a");
  request.mutable_submit()->mutable_jobs(0)->set_attach(true);
  Send(request);
  EXPECT_TRUE(agents_.started.empty());
  ClientRequest attach;
  attach.set_protocol(kProtocol);
  attach.mutable_attach()->set_job("pipeline/train");
  attach.mutable_attach()->set_launch("mpirun-1");
  attach.mutable_attach()->set_ranks(3);
  EXPECT_EQ(Send(attach)->task(), "") << "its agent has only just been started";
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
  AgentReport report = Report(1);
  report.set_running(false);
  report.set_task("{...}");
  coordinator_->Hear(report);
  EXPECT_EQ(Send(attach)->task(), "{...}");
  attach.mutable_attach()->set_job("train");
  EXPECT_EQ(Send(attach)->task(), "{...}") << "the end of its name will do";
  attach.mutable_attach()->set_job("rain");
  EXPECT_EQ(Send(attach)->code(), static_cast<std::uint32_t>(Code::kNotFound));
  attach.mutable_attach()->set_job("nobody");
  EXPECT_EQ(Send(attach)->code(), static_cast<std::uint32_t>(Code::kNotFound));
}

}  // namespace
}  // namespace still::coordinator
