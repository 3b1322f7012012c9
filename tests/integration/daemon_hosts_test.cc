// The coordinator over three hosts (namespaces of this machine): a host is lost in mid-training, the coordinator is
// killed meanwhile, and the job goes on with the two that are left, to the bits of the run nobody touched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"
#include "tests/integration/daemon_fixture.h"
#include "tests/testing/namespace_hosts.h"

namespace {

using still::testing::NamespaceHosts;
using ::testing::HasSubstr;

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

  std::optional<NamespaceHosts> hosts_;
};

TEST_F(DaemonHostsTest, AJobGoesOnWithoutTheHostItLostWhileTheCoordinatorIsKilled) {
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
  EXPECT_THAT(events, HasSubstr("host b was lost"));
  EXPECT_THAT(Still({"nodes"}).out, HasSubstr("BLACKLISTED"));
}

}  // namespace
