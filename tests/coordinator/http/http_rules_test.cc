// Tests of the parts of HTTP without a socket: access, routes, answers and the queue of questions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/enum_words.h"
#include "common/rpc/protocol.h"
#include "coordinator/http/access.h"
#include "coordinator/http/page_files.h"
#include "coordinator/http/question.h"
#include "coordinator/http/routes.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using std::chrono::milliseconds;
using still::testing::StatusIs;
using ::testing::HasSubstr;

const AccessRules kLoopback = {.loopback = true};
const AccessRules kOpen = {.loopback = false, .token = "s3cret"};

TEST(AccessTest, OnLoopbackOnlyNamesOfThisMachineAreAnswered) {
  for (const char* host : {"localhost", "localhost:5680", "127.0.0.1:5680", "127.8.9.10", "[::1]:5680"}) {
    EXPECT_TRUE(CheckAccess(kLoopback, {.method = "GET", .host = host}).granted()) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:5680", "127.0.0.1.evil.example", "localhost.evil.example",
                           "127.evil.example", "[::1].evil.example]", "10.0.0.1"}) {
    EXPECT_EQ(CheckAccess(kLoopback, {.method = "GET", .host = host}).http_status, host[0] == '[' ? 200 : 421) << host;
  }
}

TEST(AccessTest, ChangesNeedTheHeaderThatOtherOriginsCannotSend) {
  EXPECT_EQ(CheckAccess(kLoopback, {.method = "POST", .host = "localhost"}).http_status, 403);
  EXPECT_TRUE(CheckAccess(kLoopback, {.method = "POST", .host = "localhost", .stillhouse_header = "1"}).granted());
}

TEST(AccessTest, BeyondLoopbackATokenIsNeeded) {
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .host = "head"}).http_status, 401);
  EXPECT_EQ(CheckAccess({.loopback = false}, {.method = "GET", .host = "head"}).http_status, 403);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .authorization = "Bearer s3cre"}).http_status, 401);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .authorization = "Basic s3cret"}).http_status, 401);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .cookie = "xstillhouse_token=s3cret"}).http_status, 401);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .cookie = "stillhouse_token_5681=s3cret"}).http_status, 401);
  EXPECT_TRUE(CheckAccess(kOpen, {.method = "GET", .authorization = "Bearer s3cret"}).granted());
  EXPECT_TRUE(CheckAccess(kOpen, {.method = "GET", .cookie = "a=b; stillhouse_token=s3cret; c=d"}).granted());
}

TEST(AccessTest, TokenInTheAddressBecomesACookieButChangesNothing) {
  const AccessVerdict visit = CheckAccess(kOpen, {.method = "GET", .token_parameter = "s3cret"});
  EXPECT_TRUE(visit.granted() && visit.set_cookie);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "GET", .token_parameter = "guess"}).http_status, 401);
  EXPECT_EQ(CheckAccess(kOpen, {.method = "POST", .token_parameter = "s3cret", .stillhouse_header = "1"}).http_status,
            401);
  EXPECT_THAT(TokenCookie(kOpen), "stillhouse_token=s3cret; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict");
}

TEST(AccessTest, SecretsAreEqualOnlyAsAWhole) {
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "abcd"));
  EXPECT_FALSE(SameSecret("", "a"));
}

TEST(RoutesTest, ViewWithParameters) {
  ASSERT_OK_AND_ASSIGN(const HttpQuestion question,
                       QuestionOf({.method = "GET",
                                   .path = "/api/events",
                                   .parameters = {{"job", "3"}, {"after", "41"}, {"limit", "20"}, {"token", "x"}}},
                                  "web"));
  EXPECT_EQ(question.request.query().view(), v1::VIEW_KIND_EVENTS);
  EXPECT_EQ(question.request.query().job(), 3u);
  EXPECT_EQ(question.request.query().after(), 41u);
  EXPECT_EQ(question.request.query().limit(), 20u);
  EXPECT_EQ(question.request.user(), "web");
  EXPECT_EQ(question.request.protocol(), kProtocol);
}

TEST(RoutesTest, MetricsIsAQuestionOfItsOwn) {
  ASSERT_OK_AND_ASSIGN(const HttpQuestion question, QuestionOf({.method = "GET", .path = "/metrics"}, "web"));
  EXPECT_TRUE(question.metrics);
}

TEST(RoutesTest, VerbsOfJobsAndHosts) {
  ASSERT_OK_AND_ASSIGN(const HttpQuestion job, QuestionOf({.method = "POST", .path = "/api/jobs/7/requeue"}, "web"));
  EXPECT_EQ(job.request.change().verb(), v1::JOB_VERB_REQUEUE);
  EXPECT_EQ(job.request.change().jobs(0), 7u);
  ASSERT_OK_AND_ASSIGN(
      const HttpQuestion host,
      QuestionOf({.method = "POST", .path = "/api/hosts/node-a/drain", .body = R"({"reason": "disk"})"}, "web"));
  EXPECT_EQ(host.request.change_host().host(), "node-a");
  EXPECT_TRUE(host.request.change_host().drain());
  EXPECT_EQ(host.request.change_host().reason(), "disk");
}

TEST(RoutesTest, UnknownPathsAreNotFound) {
  for (const char* path : {"", "/", "/api", "/api/", "/api/jobs/7/cancel/x", "/api/jobs/7/explode", "/x", "/metrics/x",
                           "/api/hosts/a/cancel", "//"}) {
    const auto question = QuestionOf({.method = "POST", .path = path}, "web");
    EXPECT_THAT(question, StatusIs(Code::kNotFound)) << path;
  }
  EXPECT_THAT(QuestionOf({.method = "GET", .path = "/api/jobs/7/cancel"}, "web"), StatusIs(Code::kNotFound));
}

TEST(RoutesTest, BadParametersAndBodiesAreNamed) {
  const auto get = [](const std::string& name, const std::string& value) {
    return QuestionOf({.method = "GET", .path = "/api/queue", .parameters = {{name, value}}}, "web");
  };
  for (const char* value : {"", "-1", "1x", " 1", "99999999999999999999", "0x10"}) {
    EXPECT_THAT(get("job", value), StatusIs(Code::kInvalidArgument, HasSubstr("job"))) << value;
  }
  EXPECT_THAT(get("limit", "4294967296"), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(get("jbo", "1"), StatusIs(Code::kInvalidArgument, HasSubstr("'jbo'")));
  for (const char* body : {"{", "[]", "7", R"({"reason": 7})", "\xff"}) {
    EXPECT_THAT(QuestionOf({.method = "POST", .path = "/api/hosts/a/drain", .body = body}, "web"),
                StatusIs(Code::kInvalidArgument, HasSubstr("JSON")))
        << body;
  }
  EXPECT_THAT(
      QuestionOf(
          {.method = "POST", .path = "/api/hosts/a/drain", .body = "{\"reason\": \"" + std::string(501, 'x') + "\"}"},
          "web"),
      StatusIs(Code::kInvalidArgument, HasSubstr("longer")));
  for (const char* id : {"0", "x", "-3", ""}) {
    EXPECT_THAT(QuestionOf({.method = "POST", .path = "/api/jobs/" + std::string(id) + "/cancel"}, "web"),
                StatusIs(Code::kInvalidArgument))
        << id;
  }
}

TEST(RoutesTest, UnknownViewIsNamed) {
  EXPECT_THAT(QuestionOf({.method = "GET", .path = "/api/quue"}, "web"),
              StatusIs(Code::kInvalidArgument, HasSubstr("'quue'")));
}

TEST(PageTest, ShowsEveryKindOfGoodputInAColourOfItsOwn) {
  for (const auto& [kind, word] : WordsOf(*v1::GoodputKind_descriptor()))
    EXPECT_NE(PageFiles().at("status_page.css").find(".kind-" + word), std::string_view::npos) << word;
}

TEST(HttpAnswerTest, ReplyBecomesJsonOrTheError) {
  v1::ClientReply reply;
  reply.add_jobs(7);
  ASSERT_OK_AND_ASSIGN(const std::string text, HttpAnswer(reply));
  EXPECT_EQ(nlohmann::json::parse(text)["job_ids"][0], 7);
  reply.mutable_view()->set_now_ms(1);
  EXPECT_EQ(nlohmann::json::parse(HttpAnswer(reply).value())["now_ms"], 1);
  reply.set_code(v1::CODE_NOT_FOUND);
  reply.set_message("no job 7");
  EXPECT_THAT(HttpAnswer(reply), StatusIs(Code::kNotFound, "no job 7"));
  reply.set_code(static_cast<v1::StatusCode>(4711));
  EXPECT_THAT(HttpAnswer(reply), StatusIs(Code::kInternal));
}

TEST(QuestionQueueTest, LoopAnswersAskingThreads) {
  std::atomic<int> wakes{0};
  QuestionQueue queue([&] { ++wakes; });
  std::atomic<bool> done{false};
  std::thread asking([&] {
    EXPECT_EQ(queue.AskAndWait({.metrics = true}, milliseconds(60'000)).value(), "metrics");
    EXPECT_THAT(queue.AskAndWait({}, milliseconds(60'000)), StatusIs(Code::kNotFound));
    done = true;
  });
  while (!done) {
    queue.AnswerAll([](const HttpQuestion& question) -> Result<std::string> {
      if (question.metrics) return std::string("metrics");
      return Error(Code::kNotFound, "nothing");
    });
    std::this_thread::yield();
  }
  asking.join();
  EXPECT_EQ(wakes, 2);
}

TEST(QuestionQueueTest, AQuestionThatTimedOutIsDropped) {
  QuestionQueue queue;
  EXPECT_THAT(queue.AskAndWait({}, milliseconds(1)), StatusIs(Code::kUnavailable, HasSubstr("1 ms")));
  int answered = 0;
  queue.AnswerAll([&](const HttpQuestion&) -> Result<std::string> {
    ++answered;
    return std::string();
  });
  EXPECT_EQ(answered, 0);
}

TEST(QuestionQueueTest, ClosedQueueRefusesWaitingAndNewQuestions) {
  std::atomic<bool> queued{false};
  QuestionQueue queue([&] { queued = true; });
  std::thread asking([&] {
    EXPECT_THAT(queue.AskAndWait({}, milliseconds(60'000)), StatusIs(Code::kUnavailable, HasSubstr("shutting down")));
  });
  while (!queued) std::this_thread::yield();
  queue.Close();
  asking.join();
  EXPECT_THAT(queue.AskAndWait({}), StatusIs(Code::kUnavailable));
}

}  // namespace
}  // namespace still::coordinator
