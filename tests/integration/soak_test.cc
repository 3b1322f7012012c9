// Kills two hundred times at random moments of start, training, recovery and shutdown: ranks, two at once, guardians,
// mpirun, stopped ranks. The seed is printed. Every job ends in the same bits.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"
#include "tests/testing/process_tree.h"

namespace {

namespace fs = std::filesystem;
using still::testing::Descendants;
using still::testing::DescendantsNamed;
using still::testing::Process;
using still::testing::ProcessResult;
using still::testing::StartAt;
using still::testing::TempDirectory;
using still::testing::TinyPipeline;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Killer {
 public:
  explicit Killer(std::uint64_t seed) : random_(seed) {}

  std::chrono::milliseconds NextPause() { return std::chrono::milliseconds(Draw(10, 250)); }
  bool StrikesAtStart() { return Draw(0, 99) < 3; }

  // Kills or stops one process that `run` started. Returns false when there was none.
  bool Strike(const Process& run) {
    const std::uint64_t kind = Draw(0, 99);
    const auto ranks = DescendantsNamed(run.pid(), "still-worker");
    if (kind < 60) return Kill(ranks, 1, "rank");
    if (kind < 72) return Kill(ranks, 2, "two ranks");
    if (kind < 84) return Kill(DescendantsNamed(run.pid(), "still-guardian"), 1, "guardian");
    if (kind < 92) {
      const auto children = Descendants(run.pid());
      return Kill(children.empty() ? std::vector<pid_t>{} : std::vector<pid_t>{children.front().pid}, 1, "mpirun");
    }
    return Kill(ranks, 1, "stopped rank", SIGSTOP);
  }

  std::uint64_t kills() const { return kills_; }
  const std::map<std::string, int>& by_kind() const { return by_kind_; }

 private:
  std::uint64_t Draw(std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random_);
  }
  bool Kill(std::vector<pid_t> pids, std::size_t count, const char* what, int signal = SIGKILL) {
    std::shuffle(pids.begin(), pids.end(), random_);
    if (pids.size() < count) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (kill(pids[i], signal) == 0) ++kills_;
    }
    ++by_kind_[what];
    return true;
  }

  std::mt19937_64 random_;
  std::uint64_t kills_ = 0;
  std::map<std::string, int> by_kind_;
};

// Returns how many steps are committed so far: lines of the training record.
std::size_t StepsOf(const TinyPipeline& pipeline) {
  std::size_t steps = 0;
  for (const std::string& job : pipeline.Artifacts("checkpoints")) {
    const auto lines = still::ReadFile(job + "/training.jsonl");
    if (lines.ok()) steps = std::max<std::size_t>(steps, std::ranges::count(*lines, '\n'));
  }
  return steps;
}

// Holds a long training and the digest of its undisturbed run.
void MakeLong(TinyPipeline& pipeline) {
  StartAt("student", pipeline);
  pipeline.Set("train.max_steps", "120");
  pipeline.Set("train.checkpoint_steps", "7");
}

std::string LongDigest() {
  const TempDirectory directory;
  TinyPipeline pipeline(directory.path(), still::testing::DemoData());
  MakeLong(pipeline);
  const ProcessResult result = pipeline.Run({"--until", "train"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return pipeline.StudentDigest();
}

TEST(SoakTest, TwoHundredRandomKillsChangeNoBit) {
  REQUIRE_DEMO_DATA();
  const std::uint64_t seed = FromEnvironment("STILL_SOAK_SEED", std::random_device()());
  const std::uint64_t wanted = FromEnvironment("STILL_SOAK_KILLS", 200);
  std::printf("soak: STILL_SOAK_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const std::string undisturbed = LongDigest();
  Killer killer(seed);
  int jobs = 0;
  for (; killer.kills() < wanted; ++jobs) {
    const TempDirectory directory;
    TinyPipeline pipeline(directory.path(), still::testing::DemoData());
    MakeLong(pipeline);
    fs::create_directories(directory / "memory");
    pipeline.Set("ranks", std::to_string(4 - jobs % 3));
    pipeline.Set("recovery.mode", jobs % 4 == 3 ? "relaunch" : "inplace");
    pipeline.Set("recovery.snapshot_directory", directory / "memory");
    pipeline.Set("recovery.hang_seconds", "1");
    pipeline.Set("recovery.same_step_failures", "100");
    Process run(pipeline.Command({"--until", "train", "--fault", "*:*:compute:delay20@*"}));
    std::size_t steps = 0;  // at the last strike
    while (run.Running()) {
      std::this_thread::sleep_for(killer.NextPause());
      if (killer.kills() >= wanted) continue;
      // While nothing is committed (a start, a recovery) most blows are held back: training has to get somewhere.
      const std::size_t now = StepsOf(pipeline);
      if ((now > steps || killer.StrikesAtStart()) && killer.Strike(run)) steps = now;
    }
    const ProcessResult result = run.Wait();
    ASSERT_EQ(result.exit_code, 0) << "seed " << seed << ", after " << killer.kills() << " kills\n" << result.err;
    ASSERT_EQ(pipeline.StudentDigest(), undisturbed) << "seed " << seed << ", after " << killer.kills() << " kills";
  }
  std::printf("soak: %llu kills in %d jobs, every one ended in the same bits:",
              static_cast<unsigned long long>(killer.kills()), jobs);
  for (const auto& [what, times] : killer.by_kind()) std::printf(" %s %d", what.c_str(), times);
  std::printf("\n");
}

}  // namespace
