// A fixture around a coordinator, with a journal on a disk in memory, scripted agents and a manual clock.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/enum_words.h"
#include "common/rpc/protocol.h"
#include "coordinator/daemon/coordinator.h"
#include "coordinator/views/view_json.h"
#include "tests/testing/manual_clock.h"
#include "tests/testing/memory_kv_store.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {

using testing::ManualClock;

// ScriptedAgents does what a test says and records what was started.
class ScriptedAgents : public Agents {
 public:
  Status Start(v1::AgentTask task) override {
    if (!refusal.ok()) return refusal;
    traces[{task.job(), task.attempt()}] = AgentTrace::kAlive;
    last_task = task;
    started.push_back(fmt::format("{}.{}", task.job(), task.attempt()));
    return Ok();
  }
  AgentTrace Probe(std::uint64_t job, std::uint64_t attempt) override {
    const auto trace = traces.find({job, attempt});
    return trace == traces.end() ? AgentTrace::kNeverStarted : trace->second;
  }
  Result<v1::AgentReport> Outcome(std::uint64_t job, std::uint64_t attempt) override {
    v1::AgentReport report;
    report.set_protocol(kProtocol);
    report.set_job(job);
    report.set_attempt(attempt);
    report.mutable_outcome()->set_code(v1::CODE_OK);
    return report;
  }
  std::string LogPath(std::uint64_t job, std::uint64_t attempt) const override {
    return fmt::format("/logs/{}.{}", job, attempt);
  }

  Status refusal;
  std::map<std::pair<std::uint64_t, std::uint64_t>, AgentTrace> traces;
  std::vector<std::string> started;
  v1::AgentTask last_task;
};

class ServiceFixture : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  // Replaces the coordinator as after a kill. Disk and agents stay.
  void Restart() {
    coordinator_.reset();
    journal_ = std::make_unique<Journal>("journal", std::make_unique<testing::MemoryKvStore>(disk_));
    coordinator_ = std::make_unique<Coordinator>(CoordinatorOptions{.endpoint = "tcp://127.0.0.1:5600",
                                                                    .fresh_identity = "ours",
                                                                    .worker = "/bin/still-worker",
                                                                    .mpirun = "/bin/mpirun",
                                                                    .keys = "/state/keys",
                                                                    .is_made = is_made_,
                                                                    .probe_in_threads = probe_in_threads_},
                                                 *journal_, agents_, clock_);
    v1::Host host;
    host.set_name("localhost");
    host.set_slots(slots_);
    ASSERT_OK(coordinator_->Open({host}));
  }

  static v1::ClientRequest ChangeRequest(v1::JobVerb verb, std::uint64_t job) {
    v1::ClientRequest request;
    request.set_protocol(kProtocol);
    request.mutable_change()->set_verb(verb);
    request.mutable_change()->add_jobs(job);
    return request;
  }
  v1::ClientRequest SubmitRequest(const std::string& key) {
    v1::ClientRequest request;
    request.set_protocol(kProtocol);
    request.set_request(++last_request_);
    request.set_user("alice");
    request.mutable_submit()->set_key(key);
    request.mutable_submit()->set_name("pipeline");
    v1::JobSpec& job = *request.mutable_submit()->add_jobs();
    job.set_name("pipeline/train");
    job.set_stage(v1::STAGE_TRAIN);
    job.set_artifacts_root("/artifacts");
    job.set_digest("d" + key);
    job.set_ranks(2);
    job.set_slots_per_rank(1);
    job.set_retries(3);
    return request;
  }
  // Sends a request as a message and returns the reply, or nothing when none was sent.
  std::optional<v1::ClientReply> Send(const v1::ClientRequest& request) {
    v1::CoordinatorMessage message;
    *message.mutable_client() = request;
    coordinator_->OnMessage("client", message.SerializeAsString());
    std::optional<v1::ClientReply> reply;
    for (const OutgoingMessage& answer : coordinator_->Tick()) {
      EXPECT_EQ(answer.peer, "client");
      EXPECT_TRUE(reply.emplace().ParseFromString(answer.payload));
    }
    return reply;
  }
  v1::AgentReport Report(std::uint64_t job) const {
    v1::AgentReport report;
    report.set_protocol(kProtocol);
    report.set_job(job);
    report.set_attempt(coordinator_->state().FindJob(job)->attempt());
    report.set_sequence(1);
    report.set_generation(1);
    report.set_running(true);
    return report;
  }
  std::string StateOf(std::uint64_t job) const { return EnumWord(coordinator_->state().FindJob(job)->state()); }
  // Returns the view as JSON.
  std::string View(const std::string& view, std::uint64_t job = 0) {
    v1::ClientRequest request;
    request.set_protocol(kProtocol);
    request.mutable_query()->set_view(EnumNamed<v1::ViewKind>(view).value());
    request.mutable_query()->set_job(job);
    return ViewJson(coordinator_->Ask(request).view());
  }
  void Later(std::int64_t ms) {
    clock_.now += std::chrono::milliseconds(ms);
    coordinator_->Tick();
  }

  std::uint32_t slots_ = 4;  // of this machine, from the next restart on
  std::function<bool(const v1::JobSpec&)> is_made_ = [](const auto&) { return false; };
  bool probe_in_threads_ = false;
  std::uint64_t last_request_ = 0;
  std::shared_ptr<testing::MemoryDisk> disk_ = std::make_shared<testing::MemoryDisk>();
  ScriptedAgents agents_;
  testing::ManualClock clock_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace still::coordinator
