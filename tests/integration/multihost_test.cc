// Trains over three hosts (namespaces of this machine), started by mpirun over ssh and served over CURVE. The training
// ends in the bits of the run on one host, and continues on the other hosts when one is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "cluster/local_launcher.h"
#include "common/config/config.h"
#include "common/death_text.h"
#include "common/proto/control.pb.h"
#include "common/storage/files.h"
#include "coordinator/agent/launcher_agent.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/namespace_hosts.h"

namespace {

namespace fs = std::filesystem;
using still::Code;
using still::Status;
using still::cluster::Placement;
using still::coordinator::AgentJob;
using still::coordinator::LauncherAgent;
using still::testing::NamespaceHosts;
using still::testing::StartAt;
using still::testing::TempDirectory;
using still::testing::TheUndisturbed;
using still::testing::TinyPipeline;
using ::testing::HasSubstr;
using ::testing::Not;

class MultihostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    REQUIRE_NAMESPACE_HOSTS();
    REQUIRE_DEMO_DATA();
    hosts_.emplace();
    pipeline_.emplace(directory_.path(), still::testing::DemoData());
    StartAt("student", *pipeline_);
    const still::RpcKeyPair server = still::NewRpcKeyPair().value();
    network_ = {.bind = "tcp://" + hosts_->address() + ":*", .client = still::NewRpcKeyPair().value()};
    network_.keys = still::RpcServerKeys{.own = server, .clients = {network_.client.public_key}};
    ReadTask();
  }

  // Returns the task of the undisturbed run, for the artifacts of this pipeline.
  void ReadTask() {
    const std::string path = TheUndisturbed().pipeline.artifacts() + "/runs/tiny/task-train.json";
    ASSERT_TRUE(still::FromJson(still::ReadFile(path).value(), path, &task_).ok());
    task_.clear_checkpoints();
    task_.mutable_config()->set_artifacts(pipeline_->artifacts());
    task_.mutable_config()->mutable_recovery()->set_snapshot_directory("/dev/shm");
    task_.mutable_config()->mutable_recovery()->set_hang_seconds(60);
  }

  AgentJob JobOn(const Placement& placement, const std::string& fault) const {
    const std::string& digest = task_.artifacts().student();
    const std::string job_directory = pipeline_->artifacts() + "/jobs/student-" + digest;
    EXPECT_TRUE(still::MakeDirectories(job_directory).ok());
    AgentJob job{.journal_path = job_directory + "/journal",
                 .checkpoint_directory = pipeline_->artifacts() + "/checkpoints/" + digest,
                 .server = {.stage = still::v1::STAGE_TRAIN,
                            .survivors_go_on = still::cluster::MpiHasUlfm(),
                            .network = network_},
                 .launch = {.program = STILL_WORKER_BINARY, .log_path = log_},
                 .task_path = directory_ / "task.json",
                 .is_made = [this, digest] { return fs::exists(pipeline_->artifacts() + "/student/" + digest); }};
    job.server.host_silence.silence = std::chrono::seconds(4);
    job.launch.hosts = placement;
    job.launch.ssh = hosts_->ssh();
    job.launch.ranks = 0;
    for (const auto& share : placement) job.launch.ranks += share.ranks;
    if (!fault.empty()) job.launch.environment["STILL_FAULT"] = fault;
    return job;
  }

  // Runs the training on the hosts and calls `disturb` once two steps are done.
  Status Train(const Placement& placement, const std::function<void()>& disturb = {}) {
    fs::create_directories(pipeline_->artifacts() + "/checkpoints");
    still::cluster::LocalLauncher launcher(still::cluster::FindMpirun().value());
    bool disturbed = !disturb;
    LauncherAgent agent(JobOn(placement, disturb ? "*:*:compute:delay200" : ""), task_, launcher,
                        still::Clock::System(),
                        {.on_progress =
                             [&](const still::v1::Progress& progress) {
                               if (disturbed || progress.done() < 2) return;
                               disturbed = true;
                               disturb();
                               disturbed_at_ = still::Clock::System().Now();
                             },
                         .on_generation =
                             [this](const still::coordinator::GenerationStart& start) {
                               if (start.recovery) recoveries_ += still::RecoveryText(*start.recovery) + "\n";
                             }});
    const Status status = agent.Run(stops_);
    EXPECT_TRUE(disturbed) << "the training ended before anything happened to it";
    lost_host_ = agent.lost_host();
    if (disturb) RecordProperty("seconds", std::to_string(still::SecondsSince(still::Clock::System(), disturbed_at_)));
    return status;
  }
  void ExpectTheSameBits(const Status& status) const {
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(pipeline_->StudentDigest(), TheUndisturbed().pipeline.StudentDigest());
  }
  std::string WorkersOf(const std::string& host) const { return hosts_->Shell(host, "pgrep -x still-worker"); }

  const TempDirectory directory_;
  const std::string log_ = directory_ / "train.log";
  std::optional<NamespaceHosts> hosts_;
  std::optional<TinyPipeline> pipeline_;
  still::coordinator::LaunchNetwork network_;
  stillhouse::v1::WorkerTask task_;
  std::atomic<int> stops_{0};
  std::string recoveries_, lost_host_;
  still::Clock::TimePoint disturbed_at_;
};

TEST_F(MultihostTest, ThreeHostsEndInTheBitsOfOne) {
  ExpectTheSameBits(Train({{"a", 2}, {"b", 1}, {"c", 1}}));
  EXPECT_TRUE(recoveries_.empty()) << recoveries_;
}

// No packet tells of the cut. The ranks of the host are silent, and all others wait for them.
TEST_F(MultihostTest, ACutOffHostIsLostByItsSilenceAndTheOthersContinue) {
  const Status lost = Train({{"a", 1}, {"b", 2}, {"c", 1}}, [this] { hosts_->Cut("b"); });
  EXPECT_EQ(lost.code(), Code::kUnavailable) << lost.ToString();
  EXPECT_EQ(lost_host_, "b");
  EXPECT_THAT(lost.message(), HasSubstr("silent"));
  EXPECT_EQ(WorkersOf("a") + WorkersOf("c"), "") << "ranks of an ended launch";
  ExpectTheSameBits(Train({{"a", 2}, {"c", 2}}));
  hosts_->Kill("b");
  hosts_->Boot("b");
}

// The host is cut off and its processes end, as when it loses power.
TEST_F(MultihostTest, AHostWithoutPowerIsLostByItsSilence) {
  const Status lost = Train({{"a", 1}, {"b", 1}, {"c", 1}}, [this] {
    hosts_->Cut("c");
    hosts_->Kill("c");
  });
  EXPECT_EQ(lost.code(), Code::kUnavailable) << lost.ToString();
  EXPECT_EQ(lost_host_, "c");
  EXPECT_THAT(lost.message(), HasSubstr("silent"));
  hosts_->Boot("c");
  ExpectTheSameBits(Train({{"a", 1}, {"b", 1}, {"c", 1}}));
}

// The kernel of the host closes its connections, so mpirun notices at once.
TEST_F(MultihostTest, AHostWhoseProcessesDieIsNamedByMpirun) {
  const Status lost = Train({{"a", 1}, {"b", 2}}, [this] { hosts_->Kill("b"); });
  EXPECT_EQ(lost.code(), Code::kUnavailable) << lost.ToString();
  EXPECT_EQ(lost_host_, "b");
  EXPECT_THAT(lost.message(), Not(HasSubstr("silent")));
  // The host is still gone. mpirun cannot start and says why.
  const Status again = Train({{"a", 1}, {"b", 2}});
  EXPECT_EQ(again.code(), Code::kUnavailable) << again.ToString();
  EXPECT_EQ(lost_host_, "b") << again.ToString();
  hosts_->Boot("b");
  ExpectTheSameBits(Train({{"a", 1}, {"b", 2}}));
}

}  // namespace
