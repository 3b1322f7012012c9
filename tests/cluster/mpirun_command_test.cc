#include "cluster/mpirun_command.h"
#include "tests/testing/status_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace still::cluster {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

LaunchSpec TwoRanks() {
  return {.ranks = 2, .threads_per_rank = 3, .program = "/bin/worker", .arguments = {"--task", "a b.json"}};
}

TEST(MpirunCommandTest, StartsTheProgramOnUnboundOversubscribedSlots) {
  EXPECT_THAT(MpirunCommand("/opt/mpirun", TwoRanks()).argv,
              ElementsAre("/opt/mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", "/bin/worker", "--task",
                          "a b.json"));
}

TEST(MpirunCommandTest, AsTextForAShellItIsQuotedWhereItHasToBe) {
  LaunchSpec spec = TwoRanks();
  spec.arguments = {"--task", "a 'b'.json", ""};
  EXPECT_EQ(ShellText(MpirunCommand("/opt/mpirun", spec)),
            "MKL_NUM_THREADS=3 OMP_NUM_THREADS=3 /opt/mpirun --oversubscribe --bind-to none -n 2 /bin/worker --task "
            R"('a '\''b'\''.json' '')");
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

// Returns argv as one line, to compare neighbouring arguments.
std::string Line(const LaunchSpec& spec, MpirunKind kind, const std::string& mpirun = "/opt/ompi/bin/mpirun") {
  std::string line;
  for (const std::string& argument : MpirunCommand(mpirun, spec, kind).argv) line += "[" + argument + "]";
  return line;
}

LaunchSpec ThreeRanksOnTwoHosts() {
  LaunchSpec spec = TwoRanks();
  spec.ranks = 3;
  spec.hosts = {{"a", 2}, {"b", 1}};
  return spec;
}

constexpr char kSsh[] = "-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

TEST(MpirunCommandTest, RanksFillTheHostsOfAPlacementInItsOrder) {
  const LaunchSpec spec = ThreeRanksOnTwoHosts();
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5),
              AllOf(HasSubstr("[--host][a:2,b:1]"), HasSubstr("[--map-by][slot:OVERSUBSCRIBE][--bind-to][none][-n][3]"),
                    Not(HasSubstr("[--oversubscribe]"))));
  EXPECT_THAT(
      Line(spec, MpirunKind::kOpenMpi4),
      AllOf(HasSubstr("[--host][a:2,b:1]"), HasSubstr("[--map-by][slot][--oversubscribe][--bind-to][none][-n][3]")));
}

TEST(MpirunCommandTest, OptionsOfSshHaveTheNamesOfEachOpenMpi) {
  LaunchSpec spec = ThreeRanksOnTwoHosts();
  spec.ssh.identity_file = "/keys/id";
  spec.ssh.arguments = {"-F", "/etc/cluster"};
  const std::string arguments = std::string("[") + kSsh + " -i /keys/id -F /etc/cluster]";
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5),
              AllOf(HasSubstr("[--prtemca][plm_ssh_agent][ssh]"), HasSubstr("[--prtemca][plm_ssh_args]" + arguments)));
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi4),
              AllOf(HasSubstr("[--mca][plm_rsh_agent][ssh]"), HasSubstr("[--mca][plm_rsh_args]" + arguments)));
}

TEST(MpirunCommandTest, ANetworkIsTakenByMpirunAndByMpiOnlyWhenItIsNamed) {
  LaunchSpec spec = ThreeRanksOnTwoHosts();
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5), AllOf(Not(HasSubstr("if_include")), Not(HasSubstr("btl"))));
  spec.ssh.network = "10.0.0.0/24";
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5),
              AllOf(HasSubstr("[--prtemca][prte_if_include][10.0.0.0/24]"),
                    HasSubstr("[--mca][btl][self,tcp][--mca][btl_tcp_if_include][10.0.0.0/24]")));
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi4), HasSubstr("[--mca][oob_tcp_if_include][10.0.0.0/24]"));
}

TEST(MpirunCommandTest, ThePrefixIsThatOfMpirunUnlessItIsASystems) {
  LaunchSpec spec = ThreeRanksOnTwoHosts();
  const auto five = MpirunKind::kOpenMpi5;
  EXPECT_THAT(Line(spec, five, "/home/me/.venv/bin/mpirun"), HasSubstr("[--prefix][/home/me/.venv]"));
  EXPECT_THAT(Line(spec, five, "/usr/bin/mpirun"), Not(HasSubstr("--prefix")));
  EXPECT_THAT(Line(spec, five, "mpirun"), Not(HasSubstr("--prefix")));
  spec.ssh.prefix = "/elsewhere";
  EXPECT_THAT(Line(spec, five, "/usr/bin/mpirun"), HasSubstr("[--prefix][/elsewhere]"));
}

TEST(MpirunCommandTest, RanksOnOtherHostsGetTheEnvironmentOfTheLaunch) {
  LaunchSpec spec = ThreeRanksOnTwoHosts();
  spec.environment = {{"STILL_FAULT", "1:2:vote:kill"}};
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5),
              HasSubstr("[-x][MKL_NUM_THREADS][-x][OMP_NUM_THREADS][-x][STILL_FAULT]"));
  EXPECT_THAT(Line(TwoRanks(), MpirunKind::kOpenMpi5), Not(HasSubstr("[-x]")));
}

TEST(MpirunCommandTest, OpenMpisOwnFilesGoIntoTheDirectoryOfTheLaunch) {
  LaunchSpec spec = TwoRanks();
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5), Not(HasSubstr("directory")));
  spec.scratch = "/dev/shm/x";
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi5),
              HasSubstr("[--prtemca][prte_tmpdir_base][/dev/shm/x][--mca][btl_sm_backing_directory][/dev/shm/x]"));
  EXPECT_THAT(Line(spec, MpirunKind::kOpenMpi4),
              HasSubstr("[--mca][orte_tmpdir_base][/dev/shm/x][--mca][btl_vader_backing_directory][/dev/shm/x]"));
  EXPECT_THAT(MpirunCommand("mpirun", spec).environment, Contains(Pair("STILL_SCRATCH", "/dev/shm/x")));
}

TEST(MpirunCommandTest, TheUsersMpirunIsTakenAndMustBeExecutable) {
  ::setenv("STILL_MPIRUN", "/bin/true", 1);
  const auto chosen = FindMpirun();
  ::setenv("STILL_MPIRUN", "/etc/passwd", 1);
  const auto not_executable = FindMpirun();
  ::unsetenv("STILL_MPIRUN");
  ASSERT_OK(chosen);
  EXPECT_EQ(*chosen, "/bin/true");
  EXPECT_THAT(not_executable, StatusIs(Code::kNotFound, ::testing::HasSubstr("/etc/passwd")));
}

}  // namespace
}  // namespace still::cluster
