// The coordinator with journal and agents: it answers after the write, and a restart continues from the journal.
#include <gmock/gmock.h>

#include "coordinator/agent/agent_status.h"
#include "tests/coordinator/daemon/service_fixture.h"
#include "tests/testing/recoveries.h"

namespace still::coordinator {
namespace {

using CoordinatorServiceTest = ServiceFixture;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using v1::AgentReport;
using v1::ClientRequest;

TEST_F(CoordinatorServiceTest, AnAcknowledgedJobIsOnDiskAndItsAgentStarted) {
  const auto reply = Send(SubmitRequest("a"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code(), 0U);
  EXPECT_EQ(reply->request(), last_request_);
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
  Restart();
  EXPECT_EQ(StateOf(1), "STARTING");
  EXPECT_EQ(coordinator_->state().FindJob(1)->log_path(), "/logs/1.1");
}

TEST_F(CoordinatorServiceTest, ARunningJobIsAdoptedAndNotStartedAgain) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  Restart();
  Later(10'000);
  EXPECT_EQ(StateOf(1), "RUNNING") << "silence does not end an attempt";
  EXPECT_THAT(View("queue"), HasSubstr("RECONCILING"));
  EXPECT_EQ(agents_.started.size(), 1U);
  coordinator_->OnReport(Report(1));
  EXPECT_EQ(View("queue").find("RECONCILING"), std::string::npos);
}

TEST_F(CoordinatorServiceTest, ARestartStartsTheAgentOfARecordedStart) {
  Send(SubmitRequest("a"));
  agents_.traces.clear();  // the coordinator died before the start
  agents_.started.clear();
  Restart();
  coordinator_->Tick();
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
}

TEST_F(CoordinatorServiceTest, ARestartFindsAnUnreportedOutcome) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  agents_.traces[{1, 1}] = AgentTrace::kEnded;
  Restart();
  coordinator_->Tick();
  EXPECT_EQ(StateOf(1), "SUCCEEDED");
}

TEST_F(CoordinatorServiceTest, ASilentAgentIsUnreachableUntilItIsKnownToBeGone) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  Later(60'000);
  EXPECT_EQ(StateOf(1), "RUNNING");
  EXPECT_THAT(View("queue"), HasSubstr("UNREACHABLE"));
  agents_.traces[{1, 1}] = AgentTrace::kGone;
  Later(5000);
  EXPECT_EQ(StateOf(1), "STARTING") << "its second attempt";
  EXPECT_EQ(agents_.started, (std::vector<std::string>{"1.1", "1.2"}));
}

TEST_F(CoordinatorServiceTest, AFullDiskRefusesChangesAnswersQueriesAndHeals) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  disk_->full = true;
  EXPECT_FALSE(Send(SubmitRequest("b"))) << "an answer waits for the disk";
  const auto refused = Send(SubmitRequest("b"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code(), v1::CODE_RESOURCE_EXHAUSTED);
  EXPECT_THAT(View("queue"), HasSubstr("DEGRADED_STORAGE"));
  AgentReport ended = Report(1);
  ended.mutable_outcome()->set_code(v1::CODE_OK);
  EXPECT_FALSE(coordinator_->OnReport(ended).acknowledged()) << "the outcome is not recorded";
  EXPECT_EQ(StateOf(1), "RUNNING");

  disk_->full = false;
  Later(2000);
  EXPECT_TRUE(coordinator_->OnReport(ended).acknowledged());
  coordinator_->Tick();
  EXPECT_EQ(StateOf(1), "SUCCEEDED");
  const auto accepted = Send(SubmitRequest("b"));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->code(), 0U);
  EXPECT_EQ(accepted->jobs(0), 2U) << "the refused one left nothing behind";
}

TEST_F(CoordinatorServiceTest, ADeathOnAFullDiskIsReportedUntilItIsRecorded) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  v1::AgentTask task;
  task.set_job(1);
  task.set_attempt(1);
  AgentStatus agent(task);
  const AgentCallbacks callbacks = agent.Callbacks();
  callbacks.on_generation({.generation = 1});
  const auto say = [&] {
    const AgentReport report = agent.Report();
    agent.OnOrders(coordinator_->OnReport(report));
    coordinator_->Tick();
    return report.recoveries_size();
  };
  say();
  disk_->full = true;
  EXPECT_FALSE(Send(SubmitRequest("b")));
  callbacks.on_generation({.generation = 2, .in_place = true, .recovery = testing::RecoveryOf()});
  EXPECT_EQ(say(), 1);
  EXPECT_EQ(say(), 1) << "it was not recorded";

  disk_->full = false;
  Later(2000);
  EXPECT_EQ(say(), 1);
  EXPECT_EQ(say(), 0);
  EXPECT_EQ(coordinator_->state().FindJob(1)->recoveries(), 1U);
  EXPECT_THAT(View("events"), HasSubstr("rank 1 died in compute of step 17"));
}

// Returns the records of a state as text, without what only this process knows.
std::string Records(const State& state) {
  std::string text = fmt::format("{} {} {}\n", state.next_job(), state.next_pipeline(), state.next_sequence());
  for (const auto& [id, job] : state.jobs()) text += fmt::format("{} {}", state.live().contains(id), job.DebugString());
  for (const auto& [id, pipeline] : state.pipelines()) text += pipeline.DebugString();
  for (const auto& [name, host] : state.hosts()) text += host.DebugString();
  return text;
}

TEST_F(CoordinatorServiceTest, AnUnreadableJournalDegradesLikeAFullDisk) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  const std::string acknowledged = Records(coordinator_->state());
  disk_->full = true;
  disk_->unreadable = true;

  v1::CoordinatorMessage message;
  *message.mutable_client() = ChangeRequest(v1::JOB_VERB_CANCEL, 1);
  ClientRequest drain;
  drain.set_protocol(kProtocol);
  drain.mutable_change_host()->set_host("localhost");
  drain.mutable_change_host()->set_drain(true);
  coordinator_->OnMessage("client", message.SerializeAsString());
  *message.mutable_client() = drain;
  coordinator_->OnMessage("client", message.SerializeAsString());
  EXPECT_FALSE(Send(SubmitRequest("b"))) << "an answer waits for the disk";

  EXPECT_EQ(Records(coordinator_->state()), acknowledged) << "the decisions are rolled back";
  EXPECT_THAT(View("queue"), HasSubstr("DEGRADED_STORAGE"));
  EXPECT_THAT(View("why", 1), HasSubstr("no space left on device"));
  AgentReport ended = Report(1);
  EXPECT_FALSE(coordinator_->OnReport(ended).drain()) << "its cancellation did not happen";
  ended.mutable_outcome()->set_code(v1::CODE_OK);
  EXPECT_FALSE(coordinator_->OnReport(ended).acknowledged());
  EXPECT_EQ(Send(SubmitRequest("b"))->code(), v1::CODE_RESOURCE_EXHAUSTED);

  disk_->full = false;
  Later(2000);
  EXPECT_THAT(View("why", 1), HasSubstr("input/output error")) << "the disk takes writes but cannot be read";
  EXPECT_EQ(Send(SubmitRequest("b"))->code(), v1::CODE_RESOURCE_EXHAUSTED);
  EXPECT_EQ(Records(coordinator_->state()), acknowledged);

  disk_->unreadable = false;
  Later(2000);
  EXPECT_THAT(View("queue"), ::testing::Not(HasSubstr("DEGRADED_STORAGE")));
  EXPECT_TRUE(coordinator_->OnReport(ended).acknowledged());
  EXPECT_EQ(Send(SubmitRequest("b"))->jobs(0), 2U) << "no number was used up";
  EXPECT_EQ(agents_.started, (std::vector<std::string>{"1.1", "2.1"}));
}

TEST_F(CoordinatorServiceTest, ARolledBackStartIsMadeOnceThereIsSpace) {
  ClientRequest held = SubmitRequest("a");
  held.mutable_submit()->set_held(true);
  Send(held);
  disk_->full = true;
  disk_->unreadable = true;
  const ClientRequest release = ChangeRequest(v1::JOB_VERB_RELEASE, 1);
  EXPECT_FALSE(Send(release));
  EXPECT_EQ(StateOf(1), "HELD");
  EXPECT_TRUE(agents_.started.empty());
  disk_->full = disk_->unreadable = false;
  Later(2000);
  EXPECT_EQ(Send(release)->code(), 0U);
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
}

TEST_F(CoordinatorServiceTest, AFailedWriteThatReachedTheDiskCounts) {
  Send(SubmitRequest("a"));
  disk_->full = true;
  const ClientRequest submit = SubmitRequest("b");
  EXPECT_FALSE(Send(submit));
  disk_->full = false;
  {  // a database may find the whole batch in its log
    testing::MemoryKvStore late(disk_);
    KvBatch batch;
    v1::Job job = *coordinator_->state().FindJob(1);
    job.set_id(2);
    job.mutable_spec()->set_digest("db");
    batch.Put(fmt::format("job/{:020}", 2), job.SerializeAsString());
    ASSERT_OK(late.Commit(batch));
  }
  Later(2000);
  ASSERT_NE(coordinator_->state().FindJob(2), nullptr);
  EXPECT_EQ(Send(SubmitRequest("c"))->jobs(0), 3U) << "no number is given twice";
}

TEST_F(CoordinatorServiceTest, AnAgentOfAnotherJournalGetsNoOrders) {
  Send(SubmitRequest("a"));
  AgentReport stranger = Report(1);
  stranger.set_journal("another");
  stranger.mutable_outcome()->set_code(v1::CODE_OK);
  EXPECT_FALSE(coordinator_->OnReport(stranger).kill());
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
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  ClientRequest cancel = ChangeRequest(v1::JOB_VERB_CANCEL, 1);
  cancel.set_request(++last_request_);
  EXPECT_EQ(Send(cancel)->jobs_size(), 1);
  EXPECT_EQ(Send(cancel)->jobs_size(), 1) << "the same answer";
  EXPECT_FALSE(coordinator_->OnReport(Report(1)).kill()) << "a second cancellation would kill it";
  cancel.set_request(++last_request_);
  Send(cancel);
  EXPECT_TRUE(coordinator_->OnReport(Report(1)).kill());
}

TEST_F(CoordinatorServiceTest, AnotherVersionOfTheProtocolIsRefused) {
  ClientRequest request = SubmitRequest("a");
  request.set_protocol(kProtocol + 1);
  const auto reply = Send(request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->code(), v1::CODE_INVALID_ARGUMENT);
}

TEST_F(CoordinatorServiceTest, MalformedMessagesAreDropped) {
  coordinator_->OnMessage("stranger", "\x00\xff garbage");
  coordinator_->OnMessage("stranger", "");
  EXPECT_TRUE(coordinator_->Tick().empty());
}

TEST_F(CoordinatorServiceTest, RanksOfAManualMpirunGetTheirTaskOnceItIsReported) {
  ClientRequest request = SubmitRequest("a");
  request.mutable_submit()->mutable_jobs(0)->set_attach(true);
  Send(request);
  EXPECT_TRUE(agents_.started.empty());
  for (const char* view : {"why", "job"})
    EXPECT_THAT(View(view, 1), ContainsRegex("_NUM_THREADS=1 /bin/mpirun .*-n 2 /bin/still-worker --coordinator "
                                             "tcp://127.0.0.1:5600 --job 1 --keys /state/keys\""));
  ClientRequest attach;
  attach.set_protocol(kProtocol);
  attach.mutable_attach()->set_job("pipeline/train");
  attach.mutable_attach()->set_launch("mpirun-1");
  attach.mutable_attach()->set_ranks(3);
  EXPECT_FALSE(Send(attach)->has_task()) << "its agent has only just been started";
  EXPECT_EQ(agents_.started, std::vector<std::string>{"1.1"});
  EXPECT_THAT(View("why", 1), AllOf(HasSubstr(R"("attach_command":"")"), HasSubstr(R"("ranks":3)")));
  AgentReport report = Report(1);
  report.set_running(false);
  report.mutable_task()->set_generation(3);
  coordinator_->OnReport(report);
  EXPECT_EQ(Send(attach)->task().generation(), 3U);
  attach.mutable_attach()->set_job("train");
  EXPECT_EQ(Send(attach)->task().generation(), 3U) << "the end of its name is enough";
  attach.mutable_attach()->set_job("rain");
  EXPECT_EQ(Send(attach)->code(), v1::CODE_NOT_FOUND);
  attach.mutable_attach()->set_job("nobody");
  EXPECT_EQ(Send(attach)->code(), v1::CODE_NOT_FOUND);
}

TEST_F(CoordinatorServiceTest, ARestartOnAFullDiskAdoptsTheInventoryOnceThereIsSpace) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  disk_->full = true;
  slots_ = 6;
  Restart();
  EXPECT_EQ(StateOf(1), "RUNNING");
  EXPECT_THAT(View("queue"), HasSubstr("DEGRADED_STORAGE"));
  EXPECT_THAT(View("nodes"), HasSubstr("\"slots\":4")) << "the recorded inventory holds";
  EXPECT_EQ(Send(SubmitRequest("b"))->code(), v1::CODE_RESOURCE_EXHAUSTED);

  disk_->full = false;
  Later(2000);
  EXPECT_THAT(View("nodes"), HasSubstr("\"slots\":6"));
  EXPECT_THAT(View("events"), HasSubstr("COORDINATOR_RESTART"));
  EXPECT_EQ(Send(SubmitRequest("b"))->code(), 0U);
  EXPECT_EQ(StateOf(2), "STARTING");
}

TEST_F(CoordinatorServiceTest, ADamagedEventHidesNoOtherEvent) {
  Send(SubmitRequest("a"));
  coordinator_->OnReport(Report(1));
  coordinator_->Tick();
  {
    const std::scoped_lock lock(disk_->mutex);
    disk_->records[fmt::format("history/{:020}", coordinator_->state().FindJob(1)->last_event() - 1)] = "garbage";
  }
  const std::string job = View("job", 1);
  EXPECT_THAT(job, HasSubstr("SUBMITTED"));
  EXPECT_THAT(job, HasSubstr("STARTED"));
  EXPECT_THAT(job, HasSubstr("damaged"));
  Restart();
  EXPECT_EQ(StateOf(1), "RUNNING");
}

TEST_F(CoordinatorServiceTest, AgentFieldsAreOnDiskAloneAndReachTheAgent) {
  ClientRequest request = SubmitRequest("a");
  request.mutable_submit()->mutable_jobs(0)->set_identity("lines");
  request.mutable_submit()->mutable_jobs(0)->mutable_config()->set_name("demo");
  Send(request);
  EXPECT_FALSE(coordinator_->state().FindJob(1)->spec().has_config());
  EXPECT_EQ(agents_.last_task.spec().identity(), "lines");
  EXPECT_EQ(agents_.last_task.spec().config().name(), "demo");
}

}  // namespace
}  // namespace still::coordinator
