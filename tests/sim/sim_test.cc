// The control plane under all simulated faults, from seeds. To replay a seed that failed:
//   STILL_SIM_SEED=<seed> build/light/bin/sim_test
// STILL_SIM_SEEDS is the number of seeds, run in tenths that are parallel under ctest.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "common/enum_words.h"
#include "common/log.h"
#include "tests/sim/sim_cluster.h"

namespace still::sim {
namespace {

constexpr std::uint64_t kSeeds = 1000;
constexpr std::uint64_t kParts = 10;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// Prints the seed when a check fails in the code under test and aborts the process.
std::atomic<std::uint64_t> seed_in_work = 0;
void NameSeed(int) {
  char line[96];
  const int length =
      std::snprintf(line, sizeof line, "STILL_SIM_SEED=%llu build/light/bin/sim_test   # aborted\n",
                    static_cast<unsigned long long>(seed_in_work.load()));  // NOLINT(google-runtime-int): for printf
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, static_cast<std::size_t>(length));
}

std::string Replay(const Scenario& scenario, const RunResult& result) {
  std::string text = fmt::format("{}\nSTILL_SIM_SEED={} build/light/bin/sim_test\n{}\n", result.broken, scenario.seed,
                                 scenario.Text());
  const RunResult again = RunScenario(scenario, {}, /*traced=*/true);
  if (again.broken != result.broken) text += "(and not broken alike when run again: something is not simulated)\n";
  for (const std::string& line : again.last) text += line + "\n";
  return text;
}

RunResult RunSeed(std::uint64_t seed) {
  seed_in_work = seed;
  const Scenario scenario = ScenarioOf(seed);
  const RunResult result = RunScenario(scenario);
  if (!result.broken.empty()) ADD_FAILURE() << Replay(scenario, result);
  return result;
}

class SimTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  SimTest() { std::signal(SIGABRT, NameSeed); }
};

TEST_P(SimTest, NothingUnsafeHappensAndEveryJobEnds) {
  if (const std::uint64_t only = FromEnvironment("STILL_SIM_SEED", 0); only != 0) {
    if (GetParam() > 0) GTEST_SKIP() << "one seed was asked for";
    const RunResult result = RunSeed(only);
    fmt::print("{}\n{} events, {} crashes of the coordinator, {} attempts, at most {} slots busy\n",
               ScenarioOf(only).Text(), result.events, result.crashes, result.attempts, result.most_busy);
    return;
  }
  const std::uint64_t seeds = FromEnvironment("STILL_SIM_SEEDS", kSeeds);
  int failed = 0;
  for (std::uint64_t seed = 1 + GetParam(); seed <= seeds && failed < 3; seed += kParts)
    if (!RunSeed(seed).broken.empty()) ++failed;
}

INSTANTIATE_TEST_SUITE_P(Tenths, SimTest, ::testing::Range<std::uint64_t>(0, kParts));

TEST(SimDeterminismTest, ASeedAlwaysGivesTheSameHistory) {
  const Scenario scenario = ScenarioOf(7);
  EXPECT_EQ(RunScenario(scenario).checksum, RunScenario(scenario, {}, true).checksum);
  EXPECT_NE(RunScenario(scenario).checksum, RunScenario(ScenarioOf(8)).checksum);
}

TEST(SimSizeTest, AThousandJobsKeepTenThousandSlotsBusy) {
  const RunResult result = RunScenario(FullScenarioOf(3));
  EXPECT_EQ(result.broken, "");
  EXPECT_GE(result.most_busy, 9'500);
  EXPECT_GE(result.causes.at(v1::CAUSE_SUBMITTED), 1'000);
}

// A simulation only tests the transitions that happen in it.
TEST(SimCoverageTest, FiftySeedsReachEveryCauseOfATransition) {
  std::map<v1::Cause, std::uint64_t> causes;
  std::uint64_t crashes = 0;
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    const RunResult result = RunSeed(seed);
    crashes += result.crashes;
    for (const auto& [cause, lines] : result.causes) causes[cause] += lines;
  }
  EXPECT_GT(crashes, 20);
  for (int cause = v1::CAUSE_SUBMITTED; cause < v1::Cause_ARRAYSIZE; ++cause) {
    if (cause == v1::CAUSE_COORDINATOR_RESTART) continue;  // it moves no job
    const auto name = EnumWord(static_cast<v1::Cause>(cause));
    EXPECT_GT(causes[static_cast<v1::Cause>(cause)], 0) << name;
  }
}

// The daemon logs a lot about faults.
class QuietLog : public ::testing::Environment {
  void SetUp() override { InitLog("sim", "/dev/null", /*to_stderr=*/false); }
};
const auto* const quiet_log = ::testing::AddGlobalTestEnvironment(new QuietLog);

}  // namespace
}  // namespace still::sim
