// Lookups of artifacts on file systems that answer late or never.
#include "coordinator/daemon/artifact_lookups.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

#include "common/log.h"
#include "common/storage/files.h"
#include "tests/coordinator/daemon/service_fixture.h"
#include "tests/testing/temp_directory.h"

namespace still::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using v1::JobSpec;

// Storage is a set of file systems. Questions about a hung root return only after Heal(). The lookup threads share it.
class Storage {
 public:
  bool IsMade(const JobSpec& spec) {
    std::unique_lock lock(mutex_);
    ++asked_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !hung_.contains(spec.artifacts_root()); });
    return made_.contains(spec.digest());
  }
  void Hang(const std::string& root) {
    const std::scoped_lock lock(mutex_);
    hung_.insert(root);
  }
  void Heal() {
    const std::scoped_lock lock(mutex_);
    hung_.clear();
    changed_.notify_all();
  }
  void Make(const std::string& digest) {
    const std::scoped_lock lock(mutex_);
    made_.insert(digest);
  }
  void AwaitQuestions(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> hung_;
  std::set<std::string> made_;
  int asked_ = 0;
};

JobSpec Spec(const std::string& root, const std::string& digest) {
  JobSpec spec;
  spec.set_artifacts_root(root);
  spec.set_stage(v1::STAGE_TRAIN);
  spec.set_digest(digest);
  return spec;
}

class ArtifactLookupsTest : public ::testing::Test {
 protected:
  ~ArtifactLookupsTest() override { storage_->Heal(); }

  ArtifactProbe Known(const JobSpec& spec) {
    while (!lookups_->Probe(spec).known()) {
      std::this_thread::yield();
      lookups_->CollectAnswers();
    }
    return lookups_->Probe(spec);
  }

  testing::ManualClock clock_;
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
  std::optional<ArtifactLookups> lookups_{
      std::in_place, [storage = storage_](const JobSpec& spec) { return storage->IsMade(spec); }, clock_};
};

TEST_F(ArtifactLookupsTest, ARootThatHangsDelaysNoOther) {
  storage_->Hang("/dead");
  storage_->Make("made");
  EXPECT_FALSE(lookups_->Probe(Spec("/dead", "a")).known());
  EXPECT_FALSE(lookups_->Probe(Spec("/dead", "b")).known());
  EXPECT_TRUE(Known(Spec("/alive", "made")).made());
  EXPECT_FALSE(Known(Spec("/alive", "other")).made());
  clock_.now += std::chrono::seconds(7);
  EXPECT_EQ(lookups_->Probe(Spec("/dead", "a")).unanswered_ms(), 7000);
  storage_->Heal();
  EXPECT_FALSE(Known(Spec("/dead", "b")).made());
}

TEST_F(ArtifactLookupsTest, AnAnswerIsRefreshedAndAStaleOneCountsAsUnknown) {
  const JobSpec spec = Spec("/root", "a");
  EXPECT_FALSE(Known(spec).made());
  storage_->Make("a");
  storage_->Hang("/root");
  clock_.now += ArtifactLookups::kFresh;
  EXPECT_TRUE(lookups_->Probe(spec).known()) << "the old answer holds until the new one comes";
  clock_.now += ArtifactLookups::kStale;
  EXPECT_FALSE(lookups_->Probe(spec).known());
  storage_->Heal();
  EXPECT_TRUE(Known(spec).made());
}

TEST_F(ArtifactLookupsTest, ForgetDiscardsEarlierAnswers) {
  const JobSpec spec = Spec("/root", "a");
  EXPECT_FALSE(Known(spec).made());
  storage_->Make("a");
  lookups_->Forget(spec);
  EXPECT_FALSE(lookups_->Probe(spec).known());
  EXPECT_TRUE(Known(spec).made());
}

TEST_F(ArtifactLookupsTest, HungRootsUseAtMostTheLimitOfThreads) {
  for (int i = 0; i < 2 * ArtifactLookups::kMostThreads; ++i) {
    storage_->Hang(fmt::format("/dead{}", i));
    lookups_->Probe(Spec(fmt::format("/dead{}", i), "a"));
  }
  storage_->AwaitQuestions(ArtifactLookups::kMostThreads);
  EXPECT_FALSE(lookups_->Probe(Spec("/alive", "a")).known());
  storage_->Heal();
  EXPECT_FALSE(Known(Spec("/alive", "a")).made());
}

// Returns the number of warnings about threads in the log.
int Warnings(const std::string& log) {
  const std::string text = ReadFile(log).value();
  int lines = 0;
  for (std::size_t at = 0; (at = text.find("cannot start a thread that looks for artifacts", at)) != std::string::npos;
       ++at)
    ++lines;
  return lines;
}

TEST_F(ArtifactLookupsTest, AFailureToStartThreadsIsLoggedOncePerOutage) {
  const testing::TempDirectory directory;
  const std::string log = directory / "log";
  InitLog("lookups", log, /*to_stderr=*/false);
  bool none = true;
  lookups_.emplace([storage = storage_](const JobSpec& spec) { return storage->IsMade(spec); }, clock_,
                   [&none](std::function<void()> body) {
                     if (none) throw std::system_error(EAGAIN, std::generic_category());
                     std::thread(std::move(body)).detach();
                   });
  const auto probe_repeatedly = [&](const JobSpec& spec) {
    for (int round = 0; round < 5; ++round) {
      EXPECT_FALSE(lookups_->Probe(spec).known());
      lookups_->CollectAnswers();
    }
  };
  probe_repeatedly(Spec("/root", "a"));
  probe_repeatedly(Spec("/other", "a"));
  EXPECT_EQ(Warnings(log), 1);
  none = false;
  EXPECT_FALSE(Known(Spec("/root", "a")).made());
  EXPECT_FALSE(Known(Spec("/other", "a")).made());
  none = true;
  probe_repeatedly(Spec("/third", "a"));
  EXPECT_EQ(Warnings(log), 2);
  InitLog("test");
}

TEST_F(ArtifactLookupsTest, TheLookupsEndWhileAQuestionHangs) {
  storage_->Hang("/dead");
  lookups_->Probe(Spec("/dead", "a"));
  storage_->AwaitQuestions(1);
  lookups_.reset();
}

TEST(ArtifactLookupsDeathTest, AProcessEndsWhileAQuestionHangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto end_while_it_hangs = [] {
    const auto storage = std::make_shared<Storage>();
    storage->Hang("/dead");
    ArtifactLookups lookups([storage](const JobSpec& spec) { return storage->IsMade(spec); }, Clock::System());
    lookups.Probe(Spec("/dead", "a"));
    storage->AwaitQuestions(1);
    std::exit(0);
  };
  EXPECT_EXIT(end_while_it_hangs(), ::testing::ExitedWithCode(0), "");
}

class HungStorageTest : public ServiceFixture {
 protected:
  void SetUp() override {
    probe_in_threads_ = true;
    is_made_ = [storage = storage_](const JobSpec& spec) { return storage->IsMade(spec); };
    ServiceFixture::SetUp();
  }
  ~HungStorageTest() override { storage_->Heal(); }

  void Submit(const std::string& key, const std::string& root) {
    v1::ClientRequest request = SubmitRequest(key);
    request.mutable_submit()->mutable_jobs(0)->set_artifacts_root(root);
    ASSERT_EQ(Send(request)->code(), 0U);
  }
  void AwaitState(std::uint64_t job, const std::string& state) {
    while (StateOf(job) != state) {
      std::this_thread::yield();
      coordinator_->Tick();
    }
  }

  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
};

TEST_F(HungStorageTest, AJobOnHungStorageWaitsAndOtherJobsGoOn) {
  storage_->Hang("/dead");
  Submit("a", "/dead");
  Submit("b", "/alive");
  AwaitState(2, "STARTING");
  EXPECT_EQ(StateOf(1), "PENDING");
  Later(7000);
  const std::string why = View("why", 1);
  EXPECT_THAT(why, HasSubstr("ARTIFACT_UNKNOWN"));
  EXPECT_THAT(why, AllOf(HasSubstr("/dead/student/da"), HasSubstr("7 s")));
  EXPECT_THAT(View("why", 2), Not(HasSubstr("ARTIFACT_UNKNOWN")));

  storage_->Heal();
  AwaitState(1, "STARTING");
  EXPECT_EQ(agents_.started, (std::vector<std::string>{"2.1", "1.1"}));
}

TEST_F(HungStorageTest, AnArtifactThatTurnsOutToExistIsReused) {
  storage_->Make("da");
  storage_->Hang("/dead");
  Submit("a", "/dead");
  EXPECT_EQ(StateOf(1), "PENDING");
  storage_->Heal();
  AwaitState(1, "SUCCEEDED");
  EXPECT_TRUE(agents_.started.empty());
}

TEST_F(HungStorageTest, ARestartedCoordinatorAsksAgain) {
  storage_->Hang("/dead");
  Submit("a", "/dead");
  storage_->AwaitQuestions(1);
  Restart();
  EXPECT_EQ(StateOf(1), "PENDING");
  storage_->Heal();
  AwaitState(1, "STARTING");
}

}  // namespace
}  // namespace still::coordinator
