#include "cluster/mpirun_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace still::cluster {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

LaunchSpec TwoRanks() {
  return {.ranks = 2, .threads_per_rank = 3, .program = "/bin/worker", .arguments = {"--task", "a b.json"}};
}

TEST(MpirunCommandTest, StartsTheProgramOnUnboundOversubscribedSlots) {
  EXPECT_THAT(MpirunCommand("/opt/mpirun", TwoRanks()).argv,
              ElementsAre("/opt/mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", "/bin/worker", "--task",
                          "a b.json"));
}

TEST(MpirunCommandTest, RootIsAllowedOnlyWhenAsked) {
  LaunchSpec spec = TwoRanks();
  EXPECT_THAT(MpirunCommand("mpirun", spec).argv, Not(Contains("--allow-run-as-root")));
  spec.as_root = true;
  EXPECT_THAT(MpirunCommand("mpirun", spec).argv, Contains("--allow-run-as-root"));
}

TEST(MpirunCommandTest, SurvivingDeathsAddsFlagsAndChangesNothingElse) {
  LaunchSpec spec = TwoRanks();
  const std::vector<std::string> plain = MpirunCommand("mpirun", spec).argv;
  spec.survive_deaths = true;
  std::vector<std::string> surviving = MpirunCommand("mpirun", spec).argv;
  const std::vector<std::string> flags = {
      "--with-ft", "ulfm",  "--mca", "coll", "^han,hcoll,portals4", "--mca", "coll_ftagree_agreement",
      "1",         "--mca", "pml",   "ob1"};
  const auto begin = std::search(surviving.begin(), surviving.end(), flags.begin(), flags.end());
  ASSERT_NE(begin, surviving.end());
  surviving.erase(begin, begin + static_cast<std::ptrdiff_t>(flags.size()));
  EXPECT_EQ(surviving, plain);
}

TEST(MpirunCommandTest, ThreadsOfARankAreFixedByTheEnvironment) {
  EXPECT_THAT(MpirunCommand("mpirun", TwoRanks()).environment,
              UnorderedElementsAre(Pair("OMP_NUM_THREADS", "3"), Pair("MKL_NUM_THREADS", "3")));
}

TEST(MpirunCommandTest, EnvironmentOfTheLaunchWins) {
  LaunchSpec spec = TwoRanks();
  spec.environment = {{"OMP_NUM_THREADS", "7"}, {"STILL_LOG", "debug"}};
  EXPECT_THAT(
      MpirunCommand("mpirun", spec).environment,
      UnorderedElementsAre(Pair("OMP_NUM_THREADS", "7"), Pair("MKL_NUM_THREADS", "3"), Pair("STILL_LOG", "debug")));
}

TEST(MpirunCommandTest, TheUsersMpirunIsTakenAndMustBeExecutable) {
  ::setenv("STILL_MPIRUN", "/bin/true", 1);
  const auto chosen = FindMpirun();
  ::setenv("STILL_MPIRUN", "/etc/passwd", 1);
  const auto not_executable = FindMpirun();
  ::unsetenv("STILL_MPIRUN");
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(*chosen, "/bin/true");
  EXPECT_EQ(not_executable.status().code(), Code::kNotFound);
  EXPECT_THAT(not_executable.status().message(), ::testing::HasSubstr("/etc/passwd"));
}

}  // namespace
}  // namespace still::cluster
