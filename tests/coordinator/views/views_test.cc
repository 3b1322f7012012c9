#include "coordinator/views/views.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "coordinator/views/view_json.h"
#include "tests/testing/made_up_cluster.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using nlohmann::json;
using still::testing::MadeUpCluster;
using still::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ViewsTest : public ::testing::Test {
 protected:
  v1::View View(v1::ViewKind view, std::uint64_t job = 0) { return cluster_.View(view, job); }
  Result<v1::View> Ask(const v1::Query& query) {
    return BuildView(query, cluster_.state, cluster_.live, cluster_.waits, cluster_.sources(), MadeUpCluster::kNow);
  }
  v1::JobView QueuedJob(std::uint64_t job) { return JobIn(View(v1::VIEW_KIND_QUEUE), job); }
  static v1::JobView JobIn(const v1::View& view, std::uint64_t job) {
    for (const v1::JobView& found : view.jobs()) {
      if (found.id() == job) return found;
    }
    ADD_FAILURE() << "no job " << job;
    return {};
  }
  static std::vector<std::uint64_t> Ids(const v1::View& view) {
    std::vector<std::uint64_t> ids;
    for (const v1::JobView& job : view.jobs()) ids.push_back(job.id());
    return ids;
  }

  MadeUpCluster cluster_;
};

TEST_F(ViewsTest, RunningJobHasItsRecordAndItsProgress) {
  const v1::JobView job = QueuedJob(MadeUpCluster::kRunning);
  EXPECT_EQ(job.state(), v1::JOB_RUNNING);
  EXPECT_EQ(job.stage(), v1::STAGE_TRAIN);
  EXPECT_EQ(job.cause(), v1::CAUSE_STARTED);
  ASSERT_THAT(job.placement(), SizeIs(2));
  EXPECT_EQ(job.placement(1).host(), "node-b");
  EXPECT_EQ(job.placement(1).ranks(), 4u);
  EXPECT_EQ(job.ranks(), 8u);
  EXPECT_EQ(job.progress().done(), 9182u);
  EXPECT_TRUE(job.values().contains("loss"));
  EXPECT_EQ(job.recoveries(), 2u);
  EXPECT_EQ(job.last_recovery().at_ms(), MadeUpCluster::kNow - 41 * 60'000);
  EXPECT_EQ(job.last_recovery().cause(), v1::CAUSE_PROCESS_DEATH);
  EXPECT_EQ(job.reason(), "");
}

TEST_F(ViewsTest, QueueShowsRunningJobsThenTheQueueThenTheBlocked) {
  EXPECT_THAT(Ids(View(v1::VIEW_KIND_QUEUE)), ElementsAre(4, 5, 10, 12, 15, 7, 11, 6, 8, 9));
}

TEST_F(ViewsTest, EveryWaitingJobHasAReasonEvenWhenTheSchedulerIsSilent) {
  for (const bool silent : {false, true}) {
    if (silent) cluster_.waits.clear();
    const v1::View queue = View(v1::VIEW_KIND_QUEUE);
    EXPECT_THAT(queue.jobs(), SizeIs(10));
    for (const v1::JobView& job : queue.jobs()) {
      if (job.started_ms() == 0 || job.state() == v1::JOB_RECOVERING) {
        EXPECT_NE(job.reason(), "") << job.ShortDebugString();
      }
    }
  }
  EXPECT_THAT(QueuedJob(MadeUpCluster::kRecovering).reason(), AllOf(HasSubstr("8 s"), HasSubstr("attempt 2")));
}

TEST_F(ViewsTest, TheReasonJoinsAllReasons) {
  for (const Reason& reason : cluster_.waits[MadeUpCluster::kQueued].reasons)
    EXPECT_THAT(QueuedJob(MadeUpCluster::kQueued).reason(), HasSubstr(reason.text));
}

TEST_F(ViewsTest, FlagsAreExplained) {
  const v1::JobView straggling = QueuedJob(MadeUpCluster::kStraggling);
  EXPECT_THAT(straggling.flags(), ElementsAre(v1::JOB_FLAG_STRAGGLING, v1::JOB_FLAG_DEGRADED_STORAGE));
  EXPECT_THAT(straggling.reason(), HasSubstr("rank 2 straggles"));
  EXPECT_THAT(straggling.reason(), HasSubstr("/data"));
  EXPECT_THAT(QueuedJob(MadeUpCluster::kReconciling).flags(), ElementsAre(v1::JOB_FLAG_RECONCILING));
  EXPECT_THAT(QueuedJob(MadeUpCluster::kUnreachable).flags(), ElementsAre(v1::JOB_FLAG_UNREACHABLE));
}

TEST_F(ViewsTest, JobWithoutAReportHasNoProgress) {
  EXPECT_FALSE(QueuedJob(MadeUpCluster::kReconciling).has_progress());
}

TEST_F(ViewsTest, WaitingJobHasItsLastProgressButNoRate) {
  v1::Job job = *cluster_.state.FindJob(MadeUpCluster::kRunning);
  job.set_state(v1::JOB_RECOVERING);
  cluster_.state.Apply({.jobs = {job}});
  const v1::ProgressView progress = QueuedJob(MadeUpCluster::kRunning).progress();
  EXPECT_EQ(progress.done(), 9182u);
  EXPECT_EQ(progress.tokens_per_second(), 0);
  EXPECT_FALSE(progress.has_seconds_left());
}

TEST_F(ViewsTest, TopHasRanksGoodputAndHosts) {
  const v1::View top = View(v1::VIEW_KIND_TOP);
  const v1::JobView job = JobIn(top, MadeUpCluster::kRunning);
  ASSERT_THAT(job.members(), SizeIs(8));
  EXPECT_EQ(job.members(5).phase(), v1::PHASE_REDUCE);
  EXPECT_EQ(job.members(7).host(), "node-b");
  EXPECT_EQ(job.members(7).pid(), 41'007u);
  EXPECT_EQ(job.goodput().size(), static_cast<std::size_t>(v1::GoodputKind_ARRAYSIZE - 1));
  EXPECT_THAT(top.hosts(), SizeIs(5));
  EXPECT_EQ(top.live_jobs(), 10u);
}

TEST_F(ViewsTest, HostsHaveFreeSlotsStatesAndReasons) {
  const v1::View nodes = View(v1::VIEW_KIND_NODES);
  EXPECT_EQ(nodes.hosts(0).name(), "node-a");
  EXPECT_EQ(nodes.hosts(0).free(), 1u);
  EXPECT_THAT(nodes.hosts(0).job_ids(), ElementsAre(4, 10, 12));
  EXPECT_EQ(nodes.hosts(2).state(), v1::HOST_STATE_DRAINED);
  EXPECT_EQ(nodes.hosts(2).reason(), "drained by alice: disk swap");
  EXPECT_EQ(nodes.hosts(3).state(), v1::HOST_STATE_BLACKLISTED);
  EXPECT_THAT(nodes.hosts(3).reason(), HasSubstr("9 min"));
}

TEST_F(ViewsTest, JobHasArtifactCurveReasonsAndItsOwnEvents) {
  const v1::View view = View(v1::VIEW_KIND_JOB, MadeUpCluster::kRunning);
  const v1::JobView& job = view.job();
  EXPECT_EQ(job.artifact(), "/data/stillhouse/artifacts/student/4be1c2d09f3a7e56");
  EXPECT_THAT(job.depends_on(), ElementsAre(3));
  EXPECT_EQ(job.log_path(), "/var/lib/stillhouse/jobs/4/1/ranks.log");
  EXPECT_EQ(job.curve().rbegin()->step(), 9182u);
  EXPECT_TRUE(job.curve().rbegin()->has_loss());
  EXPECT_THAT(job.events(), SizeIs(4));
  for (const v1::EventView& event : job.events()) EXPECT_EQ(event.job_id(), 4u);
  EXPECT_EQ(View(v1::VIEW_KIND_JOB, MadeUpCluster::kQueued).job().reasons(0).code(), v1::WAIT_REASON_SLOTS);
}

TEST_F(ViewsTest, AJobHasTheVerbsThatWouldChangeSomething) {
  const auto verbs = [&](std::uint64_t job) { return View(v1::VIEW_KIND_JOB, job).job().verbs(); };
  EXPECT_THAT(verbs(MadeUpCluster::kRunning),
              ElementsAre(v1::JOB_VERB_HOLD, v1::JOB_VERB_REQUEUE, v1::JOB_VERB_CANCEL));
  EXPECT_THAT(verbs(MadeUpCluster::kQueued), ElementsAre(v1::JOB_VERB_HOLD, v1::JOB_VERB_CANCEL))
      << "it waits already, so a requeue changes nothing";
  EXPECT_THAT(verbs(MadeUpCluster::kHeld), ElementsAre(v1::JOB_VERB_RELEASE, v1::JOB_VERB_CANCEL));
  EXPECT_THAT(verbs(MadeUpCluster::kFailed), ElementsAre(v1::JOB_VERB_REQUEUE));
  EXPECT_THAT(verbs(MadeUpCluster::kSucceeded), IsEmpty());
}

TEST_F(ViewsTest, WhyNamesEveryReason) {
  const v1::View why = View(v1::VIEW_KIND_WHY, MadeUpCluster::kQueued);
  EXPECT_THAT(why.reasons(), SizeIs(2));
  EXPECT_EQ(why.job().position(), 1u);
  EXPECT_THAT(View(v1::VIEW_KIND_WHY, MadeUpCluster::kUnreachable).reasons(), SizeIs(1));
}

TEST_F(ViewsTest, HistoryShowsTheNewestEndedJobFirst) {
  EXPECT_THAT(Ids(View(v1::VIEW_KIND_HISTORY)), ElementsAre(14, 13, 3, 2, 1));
}

TEST_F(ViewsTest, EventsFollowASequence) {
  v1::Query query;
  query.set_view(v1::VIEW_KIND_EVENTS);
  query.set_after(46);
  ASSERT_OK_AND_ASSIGN(const v1::View view, Ask(query));
  ASSERT_THAT(view.events(), SizeIs(3));
  EXPECT_EQ(view.events(0).sequence(), 47u);
  EXPECT_EQ(view.events(1).name(), "ablation/no-mlm/train");
  const v1::View all = View(v1::VIEW_KIND_EVENTS);
  EXPECT_EQ(all.events(5).host(), "node-c");
  EXPECT_EQ(all.events(5).to(), v1::JOB_STATE_UNSPECIFIED);
}

TEST_F(ViewsTest, PipelineAndLimitSelectJobs) {
  v1::Query query;
  query.set_view(v1::VIEW_KIND_QUEUE);
  query.set_pipeline(2);
  query.set_limit(2);
  ASSERT_OK_AND_ASSIGN(const v1::View queue, Ask(query));
  EXPECT_THAT(queue.jobs(), SizeIs(2));
  EXPECT_EQ(queue.live_jobs(), 5u);
  EXPECT_EQ(queue.jobs(0).pipeline(), 2u);
}

TEST_F(ViewsTest, BytesThatAreNotUtf8AreReplaced) {
  const v1::View history = View(v1::VIEW_KIND_HISTORY);
  EXPECT_EQ(JobIn(history, MadeUpCluster::kFailed).message(), "the file is named caf\xEF\xBF\xBD");
  EXPECT_TRUE(v1::View().ParseFromString(history.SerializeAsString()));
}

TEST_F(ViewsTest, UnknownViewsJobsAndPipelinesAreRefused) {
  v1::Query query;
  EXPECT_THAT(Ask(query), StatusIs(Code::kInvalidArgument));
  query.set_view(v1::VIEW_KIND_JOB);
  EXPECT_THAT(Ask(query), StatusIs(Code::kInvalidArgument));
  query.set_job(77);
  EXPECT_THAT(Ask(query), StatusIs(Code::kNotFound, HasSubstr("77")));
  query.set_pipeline(9);
  EXPECT_THAT(Ask(query), StatusIs(Code::kNotFound, HasSubstr("9")));
}

TEST_F(ViewsTest, HistoryThatCannotBeReadIsAnError) {
  v1::Query query;
  query.set_view(v1::VIEW_KIND_EVENTS);
  ViewSources sources = cluster_.sources();
  sources.read_history = [](auto, auto, auto) { return Error(Code::kDataLoss, "journal: block checksum mismatch"); };
  EXPECT_THAT(BuildView(query, cluster_.state, cluster_.live, cluster_.waits, sources, MadeUpCluster::kNow),
              StatusIs(Code::kDataLoss));
}

TEST_F(ViewsTest, JsonHasTheWordsOfTheVocabulary) {
  const json top = json::parse(ViewJson(View(v1::VIEW_KIND_TOP)));
  const json& job = top["jobs"][0];
  EXPECT_EQ(top["view"], "top");
  EXPECT_EQ(top["now_ms"], MadeUpCluster::kNow);
  EXPECT_EQ(job["state"], "RUNNING");
  EXPECT_EQ(job["cause"], "STARTED");
  EXPECT_EQ(job["stage"], "train");
  EXPECT_EQ(job["ranks"], 8);
  EXPECT_EQ(job["placement"][0], (json{{"host", "node-a"}, {"ranks", 4}}));
  EXPECT_EQ(job["members"][5]["phase"], "reduce");
  EXPECT_EQ(job["members"][5]["goodput_kind"], "reduce");
  EXPECT_TRUE(job["has_slots"] && !job["ended"]);
  EXPECT_TRUE(job["goodput"]["compute"].is_number());
  EXPECT_EQ(top["jobs"][1]["flags"], (json{"STRAGGLING", "DEGRADED_STORAGE"}));
  EXPECT_EQ(top["hosts"][2]["state"], "DRAINED");
  EXPECT_EQ(json::parse(EventJson(View(v1::VIEW_KIND_EVENTS).events(5)))["to"], "");
}

TEST_F(ViewsTest, JsonHasEveryKeyOfItsViewAndNoOther) {
  const json queue = json::parse(ViewJson(View(v1::VIEW_KIND_QUEUE)));
  EXPECT_TRUE(queue.contains("live_jobs") && !queue.contains("hosts") && !queue.contains("job"));
  for (const json& job : queue["jobs"]) {
    EXPECT_TRUE(job.contains("progress") && !job.contains("members") && !job.contains("artifact")) << job.dump();
  }
  const json job = json::parse(ViewJson(View(v1::VIEW_KIND_JOB, MadeUpCluster::kHeld)))["job"];
  EXPECT_EQ(job["progress"], nullptr);
  EXPECT_THAT(job["members"], IsEmpty());
  EXPECT_THAT(job["curve"], IsEmpty());
}

TEST_F(ViewsTest, NumbersThatAreNotFiniteAreNullInJson) {
  cluster_.ReportLoss(std::nan(""));
  const json job = json::parse(ViewJson(View(v1::VIEW_KIND_JOB, MadeUpCluster::kRunning)))["job"];
  EXPECT_TRUE(job["values"]["loss"].is_null());
  EXPECT_TRUE(job["curve"].back()["loss"].is_null());
}

// Notes the type of every key in the JSON of `message`.
void NoteTypes(const google::protobuf::Descriptor& message, std::map<std::string, std::string>* types) {
  using google::protobuf::FieldDescriptor;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    std::string type =
        field.is_map()                                         ? "map"
        : field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? field.message_type()->name()
        : field.cpp_type() == FieldDescriptor::CPPTYPE_STRING || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM
            ? "text"
        : field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL ? "bool"
                                                            : "number";
    if (field.is_repeated() && !field.is_map()) type = "list of " + type;
    const auto [known, added] = types->emplace(field.name(), type);
    EXPECT_EQ(known->second, type) << field.full_name();
    if (added && field.message_type() != nullptr && !field.is_map()) NoteTypes(*field.message_type(), types);
  }
}

TEST(ViewSchemaTest, AKeyHasOneTypeEverywhere) {
  std::map<std::string, std::string> types;
  NoteTypes(*v1::View::descriptor(), &types);
  EXPECT_EQ(types["ranks"], "number");
  EXPECT_EQ(types["members"], "list of RankState");
}

}  // namespace
}  // namespace still::coordinator
