// Runs the coordinator over three hosts (namespaces of this machine). A host is lost in mid-training and the
// coordinator is killed meanwhile. The job continues on the other two hosts to the bits of the undisturbed run. A host
// that is lost while targets are computed costs only the shards that it held.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/storage/files.h"
#include "tests/integration/daemon_fixture.h"
#include "tests/testing/namespace_hosts.h"

namespace {

using still::testing::NamespaceHosts;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonHostsTest : public still::testing::DaemonFixture {
 protected:
  void SetUp() override {
    REQUIRE_NAMESPACE_HOSTS();
    hosts_.emplace();
    std::string hostfile;
    for (const std::string& name : hosts_->names()) hostfile += name + " slots=1\n";
    ASSERT_TRUE(still::WriteFileAtomically(directory_ / "hosts", hostfile).ok());
    serve_flags_ = {"--hosts", directory_ / "hosts", "--address", hosts_->address()};
    const still::cluster::SshOptions ssh = hosts_->ssh();
    serve_flags_.insert(serve_flags_.end(), {"--network", ssh.network});
    for (const std::string& argument : ssh.arguments) serve_flags_.push_back("--ssh-argument=" + argument);
    environment_["STILL_FAULT"] = "*:*:train.compute:delay1000@*";
    pipeline_.Set("ranks", "3");
    pipeline_.Set("recovery.host_seconds", "4");
    pipeline_.Set("recovery.hang_seconds", "60");
    DaemonFixture::SetUp();
  }

  // Returns how many shards of the target cache are sealed.
  std::size_t SealedShards() const {
    std::size_t sealed = 0;
    for (const std::string& path : pipeline_.Artifacts("targets")) {
      const auto names = still::ListDirectory(path);
      if (!names.ok()) continue;  // it is renamed
      for (const std::string& name : *names) sealed += name.starts_with("shard-") ? 1 : 0;
    }
    return sealed;
  }
  // Makes the targets anew and calls `disturb` once some shards are sealed.
  void TargetsWithout(const std::function<void()>& disturb) {
    const std::string manifest = pipeline_.TargetsManifest();
    ASSERT_NE(manifest, "");
    ASSERT_TRUE(still::RemoveAll(pipeline_.artifacts() + "/targets").ok());
    ServeWithFault("*:*:targets.record:delay2500@*");
    ASSERT_EQ(Submit().exit_code, 0);
    Until("three shards are sealed", [&] { return SealedShards() >= 3; });
    disturb();
    Until("the targets are made", [&] {
      return Still({"show", "targets"}).out.find(" is SUCCEEDED") != std::string::npos;
    });
    EXPECT_EQ(pipeline_.TargetsManifest(), manifest);
    for (const std::string& path : pipeline_.Artifacts("targets")) EXPECT_THAT(path, Not(HasSubstr(".partial-")));
  }

  std::optional<NamespaceHosts> hosts_;
};

// No packet tells of the cut. The other ranks leave those of the host behind and finish in the same launch.
TEST_F(DaemonHostsTest, TargetsAreFinishedInPlaceWithoutAHostThatIsCutOff) {
  TargetsWithout([this] { hosts_->Cut("b"); });
  const std::string shown = Still({"show", "targets"}).out;
  EXPECT_THAT(shown, HasSubstr("attempt       1,"));
  const std::string events = Still({"events"}).out;
  EXPECT_THAT(events, AllOf(HasSubstr("host b"), HasSubstr("rank 1 "))) << shown;
  EXPECT_THAT(Still({"nodes"}).out, HasSubstr("BLACKLISTED")) << "though its loss ended no launch";
  hosts_->Kill("b");
  hosts_->Boot("b");
}

// The kernel of the host closes its connections. Open MPI ends the launch, and the next one finds the sealed shards.
TEST_F(DaemonHostsTest, TargetsAreFinishedElsewhereWithoutAHostWhoseProcessesDie) {
  TargetsWithout([this] { hosts_->Kill("b"); });
  EXPECT_THAT(Still({"show", "targets"}).out, HasSubstr("attempt       2,"));
  EXPECT_THAT(Still({"events"}).out, HasSubstr("host b"));
  hosts_->Boot("b");
}

TEST_F(DaemonHostsTest, AJobContinuesWithoutALostHostWhileTheCoordinatorIsKilled) {
  ASSERT_EQ(Submit().exit_code, 0);
  UntilItTrains();
  EXPECT_THAT(Train(), HasSubstr("a:1, b:1, c:1"));
  hosts_->Cut("b");
  hosts_->Kill("b");
  KillServe();
  Serve();
  UntilTrain("SUCCEEDED");
  ExpectTheUndisturbedStudent();
  EXPECT_THAT(Train(), HasSubstr("attempt       2,"));
  EXPECT_THAT(Train(), HasSubstr("a:1, c:1"));
  const std::string events = Still({"events"}).out;
  EXPECT_THAT(events, HasSubstr("HOST_LOST"));
  EXPECT_THAT(events, HasSubstr("host b"));
  EXPECT_THAT(Still({"nodes"}).out, HasSubstr("BLACKLISTED"));
}

}  // namespace
