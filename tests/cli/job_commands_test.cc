// Runs the commands that ask the coordinator as real processes against a server of canned answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "common/enum_words.h"
#include "common/storage/files.h"
#include "tests/cli/complete_pipeline.h"
#include "tests/cli/views_fixture.h"
#include "tests/testing/fake_coordinator.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::cli {
namespace {

using still::testing::FakeCoordinator;
using still::testing::ProcessResult;
using still::testing::ViewReply;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::optional<v1::ClientReply> Views(const v1::ClientRequest& request) {
  const v1::ViewKind view = request.query().view();
  if (view == v1::VIEW_KIND_QUEUE) return ViewReply(kQueueView);
  if (view == v1::VIEW_KIND_JOB) return ViewReply(kJobView);
  if (view == v1::VIEW_KIND_TOP || view == v1::VIEW_KIND_NODES) return ViewReply(kTopView);
  return ViewReply(R"(now_ms: 0, events: [{sequence: 1, at_ms: 1795352513000, host: "a"}])");
}

class JobCommandsTest : public ::testing::Test {
 protected:
  static ProcessResult Still(const FakeCoordinator& server, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), STILL_BINARY);
    return testing::Run(arguments, {{"STILL_COORDINATOR", server.endpoint()}});
  }
  const testing::TempDirectory directory_;
};

TEST_F(JobCommandsTest, ViewsArePrintedAsTablesAndAsTheyCameWithJson) {
  FakeCoordinator server(&Views);
  for (const char* command : {"queue", "top", "nodes", "history", "events"}) {
    const ProcessResult text = Still(server, {command});
    EXPECT_EQ(text.exit_code, 0) << command << text.err;
    EXPECT_NE(text.out, "") << command;
    const ProcessResult json = Still(server, {command, "--json"});
    EXPECT_EQ(json.exit_code, 0) << command;
    EXPECT_TRUE(nlohmann::json::accept(json.out)) << command;
  }
  EXPECT_THAT(Still(server, {"queue"}).out, HasSubstr("needs 2 slots, 0 are free"));
  EXPECT_THAT(Still(server, {"top", "--once"}).out, HasSubstr("compute 90.0 %"));
}

TEST_F(JobCommandsTest, AJobIsFoundByItsIdOrTheEndOfItsName) {
  FakeCoordinator server(&Views);
  for (const char* name : {"4", "full/train", "ablation/full/train"}) {
    EXPECT_EQ(Still(server, {"show", name}).exit_code, 0) << name;
    EXPECT_EQ(server.requests().back().query().job(), 4u) << name;
  }
  const ProcessResult ambiguous = Still(server, {"why", "train"});
  EXPECT_EQ(ambiguous.exit_code, 2);
  EXPECT_THAT(ambiguous.err, HasSubstr("ablation/no-mlm/train"));
  EXPECT_EQ(Still(server, {"why", "nothing"}).exit_code, 3);
}

TEST_F(JobCommandsTest, ChangesNameTheJobsAndSayWhichChanged) {
  FakeCoordinator server([](const v1::ClientRequest& request) -> std::optional<v1::ClientReply> {
    if (!request.has_change()) return Views(request);
    v1::ClientReply reply;
    reply.add_jobs(4);
    reply.add_jobs(5);
    return reply;
  });
  EXPECT_THAT(Still(server, {"cancel", "4", "no-mlm/train"}).out, HasSubstr("4, 5"));
  const v1::ChangeJobs change = server.requests().back().change();
  EXPECT_EQ(change.verb(), v1::JOB_VERB_CANCEL);
  EXPECT_THAT(change.jobs(), ElementsAre(4, 5));
  EXPECT_EQ(Still(server, {"hold", "--pipeline", "ablation"}).exit_code, 0);
  EXPECT_EQ(server.requests().back().change().verb(), v1::JOB_VERB_HOLD);
  EXPECT_EQ(server.requests().back().change().pipeline(), 2u);
  Still(server, {"priority", "-7", "4"});
  EXPECT_EQ(server.requests().back().change().priority(), -7);
  const std::vector<std::vector<std::string>> without_jobs = {{"cancel"}, {"priority", "5"}};
  for (const std::vector<std::string>& nothing : without_jobs) {
    const ProcessResult refused = Still(server, nothing);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("name jobs, or a whole pipeline with --pipeline NAME"));
  }
  EXPECT_EQ(Still(server, {"cancel", "4", "--pipeline", "2"}).exit_code, 2);
}

TEST_F(JobCommandsTest, HostsAreDrainedWithAReason) {
  FakeCoordinator server([](const v1::ClientRequest&) { return v1::ClientReply(); });
  EXPECT_EQ(Still(server, {"drain", "a", "--reason", "new disk"}).exit_code, 0);
  EXPECT_EQ(server.requests().back().change_host().host(), "a");
  EXPECT_EQ(server.requests().back().change_host().reason(), "new disk");
  EXPECT_TRUE(server.requests().back().change_host().drain());
  EXPECT_EQ(Still(server, {"undrain", "a"}).exit_code, 0);
  EXPECT_FALSE(server.requests().back().change_host().drain());
}

TEST_F(JobCommandsTest, LogsAreReadWhereTheJobSaysAndFollowedToItsEnd) {
  const std::string log = directory_ / "ranks.log";
  ASSERT_OK(WriteFileAtomically(log, "x info train/rank-0: zero\nx info train/rank-1: one\nlast \x1b[2J"));
  std::atomic<int> asked{0};
  FakeCoordinator server([&](const v1::ClientRequest&) {
    return ViewReply(fmt::format(R"(job: {{id: 4, name: "t", state: JOB_{}, log_path: "{}"}})",
                                 ++asked > 2 ? "SUCCEEDED, ended: true" : "RUNNING", log));
  });
  EXPECT_EQ(Still(server, {"logs", "4", "--rank", "0"}).out, "x info train/rank-0: zero\n");
  const ProcessResult followed = Still(server, {"logs", "4", "-f", "--tail", "1"});
  EXPECT_EQ(followed.exit_code, 0) << followed.err;
  EXPECT_EQ(followed.out, "x info train/rank-1: one\nlast \\x1b[2J\n");
  EXPECT_THAT(followed.err, HasSubstr("job 4 t is SUCCEEDED"));
}

TEST_F(JobCommandsTest, AJobWithoutALogSaysWhy) {
  std::string job;
  FakeCoordinator server([&](const v1::ClientRequest&) { return ViewReply(R"(job {id: 4, name: "t", )" + job + "}"); });
  const auto expect_named = [&](const std::string& fields, const std::vector<std::string>& named) {
    job = fields;
    const ProcessResult result = Still(server, {"logs", "4"});
    EXPECT_EQ(result.exit_code, 3) << fields;
    for (const std::string& fact : named) EXPECT_THAT(result.err, HasSubstr(fact)) << fields;
  };
  expect_named(R"(state: JOB_PENDING, reason: "no slots")", {"job 4 t", "PENDING: no slots"});
  const std::string failed = R"(state: JOB_FAILED, ended: true, reason: "no mpirun")";
  expect_named(failed, {"job 4 t", "FAILED: no mpirun"});
  expect_named(failed + fmt::format(R"(, log_path: "{}")", directory_ / "ranks.log"),
               {"FAILED: no mpirun", directory_ / "agent.log", "`still show 4`"});
  expect_named(failed + fmt::format(R"(, log_path: "{}")", directory_ / "gone/ranks.log"), {directory_ / "gone"});
}

TEST_F(JobCommandsTest, ARankWithoutALineIsRefusedOrReportedAsSilent) {
  const std::string log = directory_ / "ranks.log";
  ASSERT_OK(WriteFileAtomically(log, "x info train/rank-0: zero\n"));
  FakeCoordinator server([&](const v1::ClientRequest&) {
    return ViewReply(fmt::format(R"(job: {{id: 4, name: "t", state: JOB_RUNNING, ranks: 2, log_path: "{}"}})", log));
  });
  const ProcessResult none = Still(server, {"logs", "4", "-f", "--rank", "9"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, AllOf(HasSubstr("job 4 t"), HasSubstr("rank 9"), HasSubstr("0 to 1")));
  const ProcessResult silent = Still(server, {"logs", "4", "--rank", "1"});
  EXPECT_EQ(silent.exit_code, 0);
  EXPECT_THAT(silent.err, HasSubstr("rank 1 of job 4 t"));
}

TEST_F(JobCommandsTest, NoCoordinatorIsExitCodeFourWithWhatToDo) {
  const ProcessResult result = testing::Run({STILL_BINARY, "queue"}, {{"STILL_STATE", directory_ / "none"}});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.err, AllOf(StartsWith("still: error: "), HasSubstr("`still serve`")));
}

std::optional<v1::ClientReply> Accept(const v1::ClientRequest& request) {
  v1::ClientReply reply;
  reply.set_pipeline(2);
  for (int i = 0; i < request.submit().jobs_size(); ++i) reply.add_jobs(static_cast<std::uint64_t>(11 + i));
  return reply;
}

TEST_F(JobCommandsTest, ASweepIsSubmittedAsOneJobPerArtifact) {
  FakeCoordinator server(&Accept);
  const std::string pipeline = testing::CompletePipeline(directory_, "matrix: {train.alpha_mlm: [1, 2]}\n");
  const ProcessResult result =
      Still(server, {"submit", pipeline, "--priority", "5", "--hold", "--ranks", "3", "--time-limit", "2h"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("14  tiny/alpha_mlm=1/train"), HasSubstr("pipeline 2 (tiny)"),
                                HasSubstr("still release --pipeline 2")));
  const v1::Submit submit = server.requests().front().submit();
  EXPECT_EQ(submit.jobs_size(), 9);
  EXPECT_TRUE(submit.held());
  EXPECT_EQ(submit.key().size(), 32u);
  EXPECT_EQ(submit.jobs(3).priority(), 5);
  EXPECT_EQ(submit.jobs(3).ranks(), 3u);
  EXPECT_EQ(submit.jobs(3).time_limit_ms(), 7'200'000);
  const auto json = nlohmann::json::parse(Still(server, {"submit", pipeline, "--json"}).out);
  EXPECT_EQ(json["jobs"][4]["depends_on"], nlohmann::json({11, 12, 14}));
}

TEST_F(JobCommandsTest, ATimeLimitAppliesToTheStagesWithoutOneInTheFile) {
  FakeCoordinator server(&Accept);
  const std::string pipeline =
      testing::CompletePipeline(directory_, "time_limit_minutes: {general: 30, evaluate: 1.5}\n");
  const auto limits = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"submit", pipeline};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(Still(server, arguments).exit_code, 0);
    std::vector<std::int64_t> seconds;
    const v1::Submit submit = server.requests().back().submit();
    for (const v1::JobSpec& job : submit.jobs()) seconds.push_back(job.time_limit_ms() / 1000);
    return seconds;
  };
  EXPECT_THAT(limits({}), ::testing::ElementsAre(1800, 1800, 1800, 1800, 90, 1800));
  EXPECT_THAT(limits({"--time-limit", "2h"}), ::testing::ElementsAre(7200, 7200, 7200, 7200, 90, 7200));
}

TEST_F(JobCommandsTest, CheckPrintsTheJobsWithoutACoordinator) {
  const std::string pipeline = testing::CompletePipeline(directory_, "matrix: {train.alpha_mlm: [1, 2]}\n");
  const ProcessResult result = testing::Run({STILL_BINARY, "submit", pipeline, "--check"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("#4  tiny/alpha_mlm=1/train"), HasSubstr("#1 #2 #3")));
  const ProcessResult run = testing::Run({STILL_BINARY, "run", pipeline, "--check"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("still submit"));
}

TEST_F(JobCommandsTest, WrongInputOfASubmissionIsAUsageError) {
  FakeCoordinator server(&Accept);
  for (const std::string more :
       {"matrix: {train.alpha_mml: [1]}\n", "matrix: {seed: []}\n", "variants: [{name: train}]\n"}) {
    const ProcessResult result = Still(server, {"submit", testing::CompletePipeline(directory_, more)});
    EXPECT_EQ(result.exit_code, 2) << more << result.err;
  }
  const std::string good = testing::CompletePipeline(directory_, "");
  EXPECT_EQ(Still(server, {"submit", good, "--time-limit", "soon"}).exit_code, 2);
  const ProcessResult too_long = Still(server, {"submit", good, "--time-limit", "800d"});
  EXPECT_EQ(too_long.exit_code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("--time-limit 800d"));
  EXPECT_EQ(Still(server, {"submit", good, "--time-limit", "5"}).exit_code, 2);
  EXPECT_EQ(Still(server, {"submit", good, "--ranks", "0"}).exit_code, 2);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(JobCommandsTest, WaitingEndsAsThePipelineEnds) {
  // All but the last job succeed: it is in the queue once, and then cancelled.
  std::atomic<int> queues{0};
  FakeCoordinator server([&](const v1::ClientRequest& request) -> std::optional<v1::ClientReply> {
    if (request.has_submit()) return Accept(request);
    const std::uint64_t id = request.query().job();
    if (request.query().view() == v1::VIEW_KIND_JOB)
      return ViewReply(fmt::format(R"(job: {{id: {}, name: "tiny/{}", state: JOB_{}, ended: true, cause: CAUSE_{}}})",
                                   id, id, id == 16 ? "CANCELLED" : "SUCCEEDED", id == 16 ? "USER" : "DONE"));
    return ViewReply(++queues == 1 ? R"(jobs: [{id: 16, name: "tiny/16", state: JOB_PENDING, reason: "later"}])"
                                   : R"()");
  });
  const std::string pipeline = testing::CompletePipeline(directory_, "");
  const ProcessResult result = Still(server, {"submit", pipeline, "--wait", "--json"});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("tiny/16  PENDING: later"), HasSubstr("tiny/16  CANCELLED: USER"),
                                HasSubstr("1 of 6 jobs did not succeed")));
  EXPECT_EQ(nlohmann::json::parse(result.out)["jobs"][5]["state"], "CANCELLED");
}

TEST_F(JobCommandsTest, ReportOfAFileNeedsNoCoordinatorAndWritesBesideTheRuns) {
  const std::string pipeline = testing::CompletePipeline(directory_, "variants: [{name: full}, {name: b, seed: 2}]\n");
  EXPECT_EQ(testing::Run({STILL_BINARY, "report", pipeline}).exit_code, 3);
  ASSERT_OK(MakeDirectories(directory_ / "artifacts"));
  const ProcessResult result = testing::Run({STILL_BINARY, "report", pipeline});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("full"), HasSubstr("not made yet"), HasSubstr("runs/tiny")));
  for (const char* file : {"sweep.md", "sweep.json", "sweep.svg"})
    EXPECT_TRUE(Exists(JoinPath(directory_ / "artifacts/runs/tiny", file))) << file;
}

TEST_F(JobCommandsTest, ReportOfASubmittedPipelineFindsItsArtifactsByItsJobs) {
  ASSERT_OK(MakeDirectories(directory_ / "a/report/r1"));
  ASSERT_OK(WriteFileAtomically(directory_ / "a/report/r1/summary.json", R"({"student_accuracy": 0.25})"));
  FakeCoordinator server([&](const v1::ClientRequest& request) -> std::optional<v1::ClientReply> {
    const v1::Query& query = request.query();
    if (query.view() == v1::VIEW_KIND_HISTORY)
      return ViewReply(R"(jobs: [
          {id: 5, pipeline: 2, pipeline_name: "s", name: "s/no-mlm/evaluate", stage: STAGE_EVALUATE,
           state: JOB_SUCCEEDED},
          {id: 4, pipeline: 2, pipeline_name: "s", name: "s/no-mlm/train", stage: STAGE_TRAIN, state: JOB_SUCCEEDED},
          {id: 3, pipeline: 1, pipeline_name: "x", name: "x/evaluate", stage: STAGE_EVALUATE, state: JOB_SUCCEEDED}])");
    if (query.view() == v1::VIEW_KIND_QUEUE) return ViewReply(R"()");
    return ViewReply(fmt::format(R"(job: {{id: {0}, pipeline_name: "s", name: "s/no-mlm/evaluate",
                                     artifacts_root: "{1}", kind: "{2}",
                                     digest: "{3}", depends_on: [{4}]}})",
                                 query.job(), directory_ / "a", query.job() == 5 ? "report" : "student",
                                 query.job() == 5 ? "r1" : "s1", query.job() == 5 ? "4" : ""));
  });
  const ProcessResult result = Still(server, {"report", "s", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["variants"].size(), 1u);
  EXPECT_EQ(json["variants"][0]["variant"], "no-mlm");
  EXPECT_EQ(json["variants"][0]["student"], "s1");
  EXPECT_EQ(json["variants"][0]["evaluation"]["student_accuracy"], 0.25);
}

}  // namespace
}  // namespace still::cli
