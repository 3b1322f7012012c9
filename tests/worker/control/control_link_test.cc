#include "worker/control/control_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/status_matchers.h"

namespace still::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr std::uint64_t kGeneration = 3;
constexpr int kRank = 1;

v1::Envelope Grant(std::uint64_t request, std::uint32_t shard) {
  v1::Envelope envelope;
  envelope.mutable_lease_grant()->set_request(request);
  envelope.mutable_lease_grant()->set_answer(v1::LEASE_ANSWER_SHARD);
  envelope.mutable_lease_grant()->set_shard(shard);
  envelope.mutable_lease_grant()->set_lease(100 + shard);
  envelope.mutable_lease_grant()->set_round(2);
  return envelope;
}

v1::Progress ProgressOf(std::uint64_t done, std::uint64_t total) {
  v1::Progress progress;
  progress.set_done(done);
  progress.set_total(total);
  progress.set_unit(v1::PROGRESS_UNIT_STEPS);
  (*progress.mutable_values())["loss"] = 0.5;
  return progress;
}

v1::Envelope Fenced(std::uint64_t current_generation) {
  v1::Envelope envelope;
  envelope.mutable_fenced()->set_current_generation(current_generation);
  return envelope;
}

v1::Envelope Published(std::uint64_t step) {
  v1::Envelope envelope;
  envelope.mutable_checkpoint_published()->set_step(step);
  return envelope;
}

v1::Envelope ShrinkTo(std::uint64_t generation, std::uint64_t request) {
  v1::Envelope envelope;
  envelope.mutable_shrink_reply()->set_request(request);
  envelope.mutable_shrink_reply()->set_generation(generation);
  return envelope;
}

v1::Envelope Answered(std::uint64_t request, v1::LeaseAnswer answer) {
  v1::Envelope envelope;
  envelope.mutable_lease_grant()->set_request(request);
  envelope.mutable_lease_grant()->set_answer(answer);
  envelope.mutable_lease_grant()->set_tokens(700);
  return envelope;
}

v1::ShardDone Finished(std::uint32_t shard) {
  v1::ShardDone done;
  done.set_shard(shard);
  done.set_digest("abc");
  return done;
}

class ControlLinkTest : public ::testing::Test {
 protected:
  using Answer = std::function<std::vector<v1::Envelope>(const v1::Envelope& said)>;

  ControlLinkTest() : server_(*RpcServer::Bind("tcp://127.0.0.1:*")) {}
  ~ControlLinkTest() override { EXPECT_FALSE(coordinator_.joinable()) << "a test ends with Heard()"; }

  std::unique_ptr<ControlLink> Connect(const ControlLinkOptions& options = {}) {
    return *ConnectControlLink(server_->endpoint(), kGeneration, kRank, options);
  }

  // Answers messages in a thread until a StageResult comes.
  void Serve(Answer answer) {
    coordinator_ = std::thread([this, answer = std::move(answer)] {
      while (true) {
        const Result<std::optional<RpcMessage>> message = server_->Receive(milliseconds(100));
        if (!message.ok()) return;
        if (!*message) continue;
        v1::Envelope said;
        if (!said.ParseFromString((*message)->payload)) return;
        heard_.push_back(said);
        peer_ = (*message)->peer;
        if (said.has_stage_result()) return;
        for (const v1::Envelope& reply : answer(said)) {
          if (!server_->Send(peer_, reply.SerializeAsString()).ok()) return;
        }
      }
    });
  }

  // Ends the link and returns everything the coordinator heard.
  const std::vector<v1::Envelope>& Heard(ControlLink& link) {
    link.ReportResult(Ok());
    coordinator_.join();
    return heard_;
  }

  // Polls until `holds`, for as long as a loaded machine may need.
  static void PollUntil(ControlLink& link, const std::function<bool(const Status& polled)>& holds) {
    for (int i = 0; i < 3000; ++i) {
      if (holds(link.Poll())) return;
      std::this_thread::sleep_for(milliseconds(10));
    }
    ADD_FAILURE() << "what was waited for never came";
  }

  static int LeaseRequests(const std::vector<v1::Envelope>& heard, std::uint64_t request) {
    int count = 0;
    for (const v1::Envelope& said : heard)
      count += said.has_lease_request() && said.lease_request().request() == request ? 1 : 0;
    return count;
  }

  std::unique_ptr<RpcServer> server_;
  std::thread coordinator_;
  std::vector<v1::Envelope> heard_;  // read after the join
  std::string peer_;
};

TEST_F(ControlLinkTest, ALostReplyIsAskedForAgainUnderTheSameNumber) {
  int lost = 0;
  Serve([&](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    if (lost++ == 0) return {};
    return {Grant(said.lease_request().request(), 11)};
  });
  const auto link = Connect({.lease_resend_interval = milliseconds(20)});
  ASSERT_OK_AND_ASSIGN(const auto shard, link->NextShard());
  EXPECT_EQ(shard.shard(), 11u);
  const std::vector<v1::Envelope>& heard = Heard(*link);
  EXPECT_GE(LeaseRequests(heard, 1), 2);
  EXPECT_EQ(LeaseRequests(heard, 2), 0);
}

TEST_F(ControlLinkTest, AGrantThatComesTwiceIsOneShard) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    const std::uint64_t request = said.lease_request().request();
    if (request == 3) return {Answered(3, v1::LEASE_ANSWER_DONE), Answered(3, v1::LEASE_ANSWER_DONE)};
    const auto shard = static_cast<std::uint32_t>(10 + request);
    return {Grant(request, shard), Grant(request, shard), Grant(request - 1, shard - 1)};
  });
  const auto link = Connect();
  EXPECT_EQ(link->NextShard()->shard(), 11u);
  EXPECT_EQ(link->NextShard()->shard(), 12u);
  EXPECT_EQ(link->NextShard()->answer(), v1::LEASE_ANSWER_DONE);
  Heard(*link);
}

TEST_F(ControlLinkTest, AfterAnAnswerToWaitItAsksAgainUnderAnotherNumber) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    const std::uint64_t request = said.lease_request().request();
    return {Answered(request, request < 4 ? v1::LEASE_ANSWER_WAIT : v1::LEASE_ANSWER_COMMIT)};
  });
  const auto link = Connect({.lease_pause = milliseconds(1)});
  ASSERT_OK_AND_ASSIGN(const auto lease, link->NextShard());
  EXPECT_EQ(lease.answer(), v1::LEASE_ANSWER_COMMIT);
  EXPECT_EQ(lease.tokens(), 700u);
  EXPECT_EQ(LeaseRequests(Heard(*link), 4), 1);
}

TEST_F(ControlLinkTest, ProgressAndResultOfAShardNameItsRoundAndLease) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    if (!said.has_lease_request()) return {};
    return {Grant(said.lease_request().request(), 7)};
  });
  const auto link = Connect({.progress_interval = milliseconds(0)});
  ASSERT_OK(link->NextShard());
  ASSERT_OK_AND_ASSIGN(const auto lease, link->NextShard());
  EXPECT_EQ(lease.round(), 2u);
  link->ReportProgress(ProgressOf(1, 5));
  link->ReportProgress(ProgressOf(1, 5));
  v1::ShardDone finished = Finished(lease.shard());
  finished.set_round(lease.round());
  finished.set_found(true);
  finished.set_units(5);
  finished.set_tokens(9);
  finished.set_next_shards(3);
  ASSERT_OK(link->ShardDone(finished));
  ASSERT_OK(link->NextShard());
  link->ReportProgress(ProgressOf(0, 5));
  const std::vector<v1::Envelope>& heard = Heard(*link);
  ASSERT_EQ(heard.size(), 8u);
  EXPECT_EQ(heard[2].progress().lease(), 107u);
  EXPECT_EQ(heard[2].progress().signs(), 1u);
  EXPECT_EQ(heard[3].progress().signs(), 2u) << "though no more is done";
  const v1::ShardDone& done = heard[4].shard_done();
  EXPECT_EQ(done.round(), 2u);
  EXPECT_EQ(done.shard(), 7u);
  EXPECT_EQ(done.lease(), 107u);
  EXPECT_TRUE(done.found());
  EXPECT_EQ(done.units(), 5u);
  EXPECT_EQ(done.tokens(), 9u);
  EXPECT_EQ(done.next_shards(), 3u);
  EXPECT_EQ(heard[6].progress().signs(), 1u) << "of the next lease";
}

TEST_F(ControlLinkTest, AnAnswerOfAnotherVersionIsAnError) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    return {Answered(said.lease_request().request(), static_cast<v1::LeaseAnswer>(9))};
  });
  const auto link = Connect();
  EXPECT_EQ(link->NextShard().status().code(), Code::kInternal);
  Heard(*link);
}

// The questions that a rank may ask the coordinator and wait for.
const std::function<Status(ControlLink&)> kQuestions[] = {
    [](ControlLink& link) { return link.NextShard().status(); },
    [](ControlLink& link) { return link.RequestShrink(17, {1}).status(); },
};

TEST_F(ControlLinkTest, AFencedQuestionIsAborted) {
  for (const auto& ask : kQuestions) {
    Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {Fenced(9)}; });
    const auto link = Connect();
    EXPECT_THAT(ask(*link),
                StatusIs(Code::kAborted, ::testing::AllOf(HasSubstr("generation 3"), HasSubstr("generation 9"))));
    Heard(*link);
  }
}

TEST_F(ControlLinkTest, AnUnansweredQuestionIsUnavailableAndNamesTheCoordinator) {
  for (const auto& ask : kQuestions) {
    Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {}; });
    const auto link = Connect({.lease_resend_interval = milliseconds(10),
                               .lease_deadline = milliseconds(50),
                               .shrink_resend_interval = milliseconds(10),
                               .shrink_deadline = milliseconds(50)});
    EXPECT_THAT(ask(*link), StatusIs(Code::kUnavailable, HasSubstr(server_->endpoint())));
    Heard(*link);
  }
}

TEST_F(ControlLinkTest, PollKeepsTheNewestPublishedStep) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    if (!said.has_parts_written()) return {};
    return {Published(200), Published(100), Published(200), Fenced(4)};
  });
  const auto link = Connect();
  EXPECT_OK(link->Poll());
  EXPECT_EQ(link->PublishedStep(), std::nullopt);
  ASSERT_OK(link->PartsWritten({}));
  PollUntil(*link, [](const Status& polled) { return !polled.ok(); });  // the last of the four
  EXPECT_EQ(link->PublishedStep(), 200u);
  Heard(*link);
}

TEST_F(ControlLinkTest, AFencedRankStaysFenced) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    if (said.has_progress()) return {Fenced(9)};
    return {};
  });
  const auto link = Connect();
  link->ReportProgress(ProgressOf(1, 2));
  PollUntil(*link, [](const Status& polled) { return !polled.ok(); });
  const Status status = link->Poll();
  EXPECT_THAT(status, StatusIs(Code::kAborted, HasSubstr("generation 9")));
  EXPECT_EQ(link->RequestShrink(1, {0}).status().code(), Code::kAborted);
  EXPECT_EQ(link->NextShard().status().code(), Code::kAborted);
  Heard(*link);
}

TEST_F(ControlLinkTest, BytesThatAreNotAMessageAreSkipped) {
  const auto link = Connect();
  ASSERT_OK(link->ShardDone(Finished(1)));
  const auto first = server_->Receive(milliseconds(30'000));
  ASSERT_TRUE(first.ok() && first->has_value());
  ASSERT_OK(server_->Send((*first)->peer, "\xff\xff no Envelope"));
  ASSERT_OK(server_->Send((*first)->peer, Published(7).SerializeAsString()));
  PollUntil(*link, [&](const Status& polled) { return polled.ok() && link->PublishedStep() == 7u; });
  link->ReportResult(Ok());
}

TEST_F(ControlLinkTest, ALostShrinkRequestIsSentAgainUnderTheSameNumber) {
  int lost = 0;
  Serve([&](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    if (lost++ == 0) return {};
    const std::uint64_t request = said.shrink_request().request();
    return {ShrinkTo(99, request + 1), Published(12), ShrinkTo(4, request)};
  });
  const auto link = Connect({.shrink_resend_interval = milliseconds(20), .shrink_deadline = milliseconds(30'000)});
  ASSERT_OK_AND_ASSIGN(const auto generation, link->RequestShrink(17, {0, 2, 3}));
  EXPECT_EQ(generation, 4u);
  EXPECT_EQ(link->PublishedStep(), 12u);  // said meanwhile
  const std::vector<v1::Envelope>& heard = Heard(*link);
  ASSERT_GE(heard.size(), 3u);  // twice the request, then the result
  EXPECT_TRUE(heard[1].has_shrink_request());
  EXPECT_EQ(heard[0].shrink_request().SerializeAsString(), heard[1].shrink_request().SerializeAsString());
  EXPECT_EQ(heard[0].shrink_request().step(), 17u);
  EXPECT_THAT(heard[0].shrink_request().survivors(), ::testing::ElementsAre(0, 2, 3));
  EXPECT_EQ(heard[0].generation(), kGeneration);
  EXPECT_EQ(heard.back().generation(), kGeneration) << "a link speaks as what its process was launched in";
}

TEST_F(ControlLinkTest, ARefusedShrinkIsAborted) {
  Serve([](const v1::Envelope& said) -> std::vector<v1::Envelope> {
    return {ShrinkTo(0, said.shrink_request().request())};
  });
  const auto link = Connect();
  EXPECT_THAT(link->RequestShrink(17, {1}), StatusIs(Code::kAborted, HasSubstr("step 17")));
  Heard(*link);
}

TEST_F(ControlLinkTest, WrittenPartsArriveAsTheyWereSent) {
  Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {}; });
  const auto link = Connect();
  v1::PartsWritten written;
  written.mutable_info()->set_step(100);
  written.mutable_info()->set_audit_hash(1ull << 63);
  written.add_parts()->set_size(1ull << 40);
  written.set_total_parts(4);
  written.set_state_digest("cc");
  ASSERT_OK(link->PartsWritten(written));
  const std::vector<v1::Envelope>& heard = Heard(*link);
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0].parts_written().SerializeAsString(), written.SerializeAsString());
}

TEST_F(ControlLinkTest, StorageTroubleIsReportedWhenItChanges) {
  Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {}; });
  const auto link = Connect();
  link->ReportStorageTrouble("");  // none yet: nothing to say
  for (const char* message : {"disk full", "disk full", "disk full and slow", "", ""})
    link->ReportStorageTrouble(message);
  std::vector<std::string> said;
  for (const v1::Envelope& envelope : Heard(*link)) {
    if (envelope.has_storage_trouble()) said.push_back(envelope.storage_trouble().message());
  }
  EXPECT_THAT(said, ::testing::ElementsAre("disk full", "disk full and slow", ""));
}

TEST_F(ControlLinkTest, ReportsBeyondTheIntervalAreDroppedButTheLastIsSent) {
  Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {}; });
  testing::ManualClock clock;
  const auto link = Connect({.progress_interval = milliseconds(100), .clock = &clock});
  for (std::uint64_t done = 1; done <= 5; ++done) {
    link->ReportProgress(ProgressOf(done, 5));
    clock.SleepFor(milliseconds(40));
  }
  link->ReportProgress(ProgressOf(5, 5));  // within the interval
  std::vector<std::uint64_t> done;
  for (const v1::Envelope& said : Heard(*link)) {
    if (!said.has_progress()) continue;
    done.push_back(said.progress().done());
    EXPECT_EQ(said.progress().values().at("loss"), 0.5);
  }
  EXPECT_THAT(done, ::testing::ElementsAre(1, 4, 5));
}

TEST_F(ControlLinkTest, EveryMessageNamesItsSender) {
  Serve([](const v1::Envelope&) -> std::vector<v1::Envelope> { return {}; });
  const auto link = Connect();
  ASSERT_OK(link->ShardDone(Finished(4)));
  link->ReportResult(Error(Code::kDataLoss, "why"));
  coordinator_.join();
  ASSERT_EQ(heard_.size(), 2u);
  for (const v1::Envelope& said : heard_) {
    EXPECT_EQ(said.generation(), kGeneration);
    EXPECT_EQ(said.rank(), static_cast<std::uint32_t>(kRank));
  }
  EXPECT_EQ(heard_[0].shard_done().digest(), "abc");
  EXPECT_EQ(heard_[1].stage_result().code(), static_cast<std::uint32_t>(Code::kDataLoss));
  EXPECT_EQ(heard_[1].stage_result().message(), "why");
  EXPECT_THAT(peer_, ::testing::StartsWith("3.1."));
}

TEST_F(ControlLinkTest, KeysOpenAServerThatAsksForThem) {
  const RpcKeyPair server = NewRpcKeyPair().value(), client = NewRpcKeyPair().value();
  server_ = *RpcServer::Bind("tcp://127.0.0.1:*", RpcServerKeys{.own = server, .clients = {client.public_key}});
  Serve([](const v1::Envelope&) { return std::vector<v1::Envelope>(); });
  const auto link = Connect({.keys = RpcClientKeys{.server = server.public_key, .own = client}});
  EXPECT_TRUE(Heard(*link).front().has_stage_result());
}

}  // namespace
}  // namespace still::worker
