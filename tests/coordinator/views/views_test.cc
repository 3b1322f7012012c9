#include "coordinator/views/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/testing/made_up_cluster.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using nlohmann::json;
using still::testing::MadeUpCluster;
using still::testing::StatusIs;
using stillhouse::v1::Query;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ViewsTest : public ::testing::Test {
 protected:
  json View(const std::string& view, std::uint64_t job = 0) { return json::parse(cluster_.View(view, job)); }
  Result<std::string> Ask(const Query& query) {
    return ViewJson(query, cluster_.state, cluster_.live, cluster_.waits, cluster_.sources(), MadeUpCluster::kNow);
  }
  json RowOf(const json& view, std::uint64_t job) {
    for (const json& row : view["jobs"]) {
      if (row["id"] == job) return row;
    }
    ADD_FAILURE() << "no job " << job;
    return {};
  }

  static std::vector<std::uint64_t> Ids(const json& view) {
    std::vector<std::uint64_t> ids;
    for (const json& row : view["jobs"]) ids.push_back(row["id"]);
    return ids;
  }

  MadeUpCluster cluster_;
};

TEST_F(ViewsTest, RowsHaveEveryPromisedField) {
  const json row = RowOf(View("queue"), MadeUpCluster::kRunning);
  for (const char* field :
       {"id",       "name",        "pipeline",       "owner",        "stage",    "state",
        "flags",    "cause",       "message",        "reason",       "position", "predicted_start_ms",
        "priority", "ranks",       "slots_per_rank", "hosts",        "attempt",  "generation",
        "failures", "recoveries",  "last_recovery",  "submitted_ms", "since_ms", "started_ms",
        "ended_ms", "eligible_ms", "time_limit_ms",  "progress",     "values"}) {
    EXPECT_TRUE(row.contains(field)) << field;
  }
  for (const char* field : {"done", "total", "unit", "tokens", "tokens_per_second", "seconds_left"}) {
    EXPECT_TRUE(row["progress"].contains(field)) << field;
  }
  EXPECT_EQ(row["state"], "RUNNING");
  EXPECT_EQ(row["stage"], "train");
  EXPECT_EQ(row["cause"], "STARTED");
  EXPECT_EQ(row["hosts"], (json{"node-a:4", "node-b:4"}));
  EXPECT_EQ(row["progress"]["done"], 9182);
  EXPECT_TRUE(row["values"].contains("loss"));
  EXPECT_EQ(row["recoveries"], 2);
  EXPECT_EQ(row["last_recovery"]["at_ms"], MadeUpCluster::kNow - 41 * 60'000);
  EXPECT_EQ(row["last_recovery"]["cause"], "PROCESS_DEATH");
}

TEST_F(ViewsTest, RanksAreShownWithTheirProcesses) {
  const json ranks = View("job", MadeUpCluster::kRunning)["job"]["ranks"];
  EXPECT_EQ(ranks[7]["host"], "node-b");
  EXPECT_EQ(ranks[7]["pid"], 41'007);
}

TEST_F(ViewsTest, QueueShowsRunningJobsThenTheQueueThenTheBlocked) {
  EXPECT_THAT(Ids(View("queue")), ElementsAre(4, 5, 10, 12, 15, 7, 11, 6, 8, 9));
}

TEST_F(ViewsTest, EveryWaitingRowHasAReasonEvenWhenTheSchedulerIsSilent) {
  for (const bool silent : {false, true}) {
    if (silent) cluster_.waits.clear();
    const json queue = View("queue");
    EXPECT_EQ(queue["jobs"].size(), 10u);
    for (const json& row : queue["jobs"]) {
      if (row["started_ms"] == 0 || row["state"] == "RECOVERING") {
        EXPECT_NE(row["reason"], "") << row.dump(2);
      }
    }
  }
  EXPECT_THAT(RowOf(View("queue"), MadeUpCluster::kRecovering)["reason"].get<std::string>(),
              HasSubstr("pause of 8 s before attempt 2: node-d was not heard"));
}

TEST_F(ViewsTest, ReasonsAreJoined) {
  const std::string reason = RowOf(View("queue"), MadeUpCluster::kQueued)["reason"];
  EXPECT_THAT(reason, HasSubstr("(low-priority/train, PREEMPTING); 8 slots of node-c are closed"));
}

TEST_F(ViewsTest, FlagsAreExplained) {
  const json queue = View("queue");
  const json straggling = RowOf(queue, MadeUpCluster::kStraggling);
  EXPECT_EQ(straggling["flags"], (json{"STRAGGLING", "DEGRADED_STORAGE"}));
  EXPECT_THAT(straggling["reason"].get<std::string>(), HasSubstr("rank 2 straggles"));
  EXPECT_THAT(straggling["reason"].get<std::string>(), HasSubstr("no space left on /data"));
  EXPECT_EQ(RowOf(queue, MadeUpCluster::kReconciling)["flags"], (json{"RECONCILING"}));
  EXPECT_EQ(RowOf(queue, MadeUpCluster::kUnreachable)["flags"], (json{"UNREACHABLE"}));
  EXPECT_EQ(RowOf(queue, MadeUpCluster::kRunning)["reason"], "");
}

TEST_F(ViewsTest, JobThatWasNotHeardHasNoProgress) {
  EXPECT_FALSE(RowOf(View("queue"), MadeUpCluster::kReconciling).contains("progress"));
}

TEST_F(ViewsTest, WaitingJobHasItsLastProgressButNoRate) {
  stillhouse::v1::Job job = *cluster_.state.FindJob(MadeUpCluster::kRunning);
  job.set_state(stillhouse::v1::JOB_RECOVERING);
  cluster_.state.Apply({.jobs = {job}});
  const json row = RowOf(View("queue"), MadeUpCluster::kRunning);
  EXPECT_EQ(row["progress"]["done"], 9182);
  EXPECT_EQ(row["progress"]["tokens_per_second"], 0);
  EXPECT_TRUE(row["progress"]["seconds_left"].is_null());
}

TEST_F(ViewsTest, TopHasRanksGoodputAndHosts) {
  const json top = View("top");
  const json row = RowOf(top, MadeUpCluster::kRunning);
  EXPECT_EQ(row["ranks"].size(), 8u);
  EXPECT_EQ(row["rank_count"], 8);
  EXPECT_EQ(row["ranks"][5]["phase"], "reduce");
  EXPECT_EQ(row["goodput"].size(), 8u);
  EXPECT_EQ(top["hosts"].size(), 5u);
  EXPECT_EQ(top["live_jobs"], 10);
}

TEST_F(ViewsTest, HostsHaveFreeSlotsStatesAndReasons) {
  const json hosts = View("nodes")["hosts"];
  EXPECT_EQ(hosts[0]["name"], "node-a");
  EXPECT_EQ(hosts[0]["free"], 1);
  EXPECT_EQ(hosts[0]["jobs"], (json{4, 10, 12}));
  EXPECT_EQ(hosts[2]["state"], "DRAINED");
  EXPECT_EQ(hosts[2]["reason"], "drained by alice: disk swap");
  EXPECT_EQ(hosts[3]["state"], "BLACKLISTED");
  EXPECT_THAT(hosts[3]["reason"].get<std::string>(), HasSubstr("9 min"));
}

TEST_F(ViewsTest, JobHasArtifactCurvesReasonsAndItsOwnEvents) {
  const json job = View("job", MadeUpCluster::kRunning)["job"];
  EXPECT_EQ(job["artifact"], "/data/stillhouse/artifacts/checkpoints/4be1c2d09f3a7e56");
  EXPECT_EQ(job["depends_on"], (json{3}));
  EXPECT_EQ(job["log_path"], "/var/lib/stillhouse/jobs/4/1/ranks.log");
  EXPECT_EQ(job["curves"]["step"].size(), job["curves"]["loss"].size());
  EXPECT_EQ(job["curves"]["step"].back(), 9182);
  EXPECT_EQ(job["events"].size(), 4u);
  for (const json& event : job["events"]) EXPECT_EQ(event["job"], 4);
  EXPECT_EQ(View("job", MadeUpCluster::kQueued)["job"]["reasons"][0]["code"], "SLOTS");
}

TEST_F(ViewsTest, WhyNamesEveryReason) {
  const json why = View("why", MadeUpCluster::kQueued);
  EXPECT_EQ(why["reasons"].size(), 2u);
  EXPECT_EQ(why["job"]["position"], 1);
  EXPECT_EQ(View("why", MadeUpCluster::kUnreachable)["reasons"].size(), 1u);
}

TEST_F(ViewsTest, HistoryHasEndedJobsTheNewestFirst) {
  EXPECT_THAT(Ids(View("history")), ElementsAre(14, 13, 3, 2, 1));
}

TEST_F(ViewsTest, EventsGoOnAfterASequence) {
  Query query;
  query.set_view("events");
  query.set_after(46);
  ASSERT_OK_AND_ASSIGN(const std::string text, Ask(query));
  const json events = json::parse(text)["events"];
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["sequence"], 47);
  EXPECT_EQ(events[1]["name"], "ablation/no-mlm/train");
  EXPECT_EQ(View("events")["events"][5]["host"], "node-c");
  EXPECT_EQ(View("events")["events"][5]["to"], "");
}

TEST_F(ViewsTest, PipelineAndLimitSelect) {
  Query query;
  query.set_view("queue");
  query.set_pipeline(2);
  query.set_limit(2);
  ASSERT_OK_AND_ASSIGN(const std::string text, Ask(query));
  const json queue = json::parse(text);
  EXPECT_EQ(queue["jobs"].size(), 2u);
  EXPECT_EQ(queue["live_jobs"], 5);
  EXPECT_EQ(queue["jobs"][0]["pipeline"], 2);
}

TEST_F(ViewsTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(RowOf(View("history"), MadeUpCluster::kFailed)["message"], "the file is named caf\xEF\xBF\xBD");
}

TEST_F(ViewsTest, LossThatIsNotANumberIsNull) {
  stillhouse::v1::AgentReport report;
  report.set_job(MadeUpCluster::kRunning);
  report.set_attempt(1);
  report.set_sequence(10'000);
  report.mutable_progress()->set_done(9200);
  (*report.mutable_progress()->mutable_values())["loss"] = std::nan("");
  cluster_.live.Heard(report, MadeUpCluster::kNow);
  EXPECT_TRUE(View("job", MadeUpCluster::kRunning)["job"]["values"]["loss"].is_null());
}

TEST_F(ViewsTest, UnknownViewJobAndPipelineAreNamed) {
  Query query;
  query.set_view("quue");
  EXPECT_THAT(Ask(query), StatusIs(Code::kInvalidArgument, HasSubstr("'quue'")));
  query.set_view("job");
  EXPECT_THAT(Ask(query), StatusIs(Code::kInvalidArgument, HasSubstr("name it")));
  query.set_job(77);
  EXPECT_THAT(Ask(query), StatusIs(Code::kNotFound, HasSubstr("77")));
  query.set_pipeline(9);
  EXPECT_THAT(Ask(query), StatusIs(Code::kNotFound, HasSubstr("pipeline 9")));
}

TEST_F(ViewsTest, HistoryThatCannotBeReadIsAnError) {
  Query query;
  query.set_view("events");
  ViewSources sources = cluster_.sources();
  sources.read_history = [](auto, auto, auto) { return Error(Code::kDataLoss, "journal: block checksum mismatch"); };
  EXPECT_THAT(ViewJson(query, cluster_.state, cluster_.live, cluster_.waits, sources, MadeUpCluster::kNow),
              StatusIs(Code::kDataLoss));
}

}  // namespace
}  // namespace still::coordinator
