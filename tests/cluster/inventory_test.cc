#include "cluster/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::cluster {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::StatusIs;

// Returns the hosts as "a:8 b:1", or the error.
std::string Parsed(std::string_view text) {
  const auto hosts = ParseHostfile(text, "hosts");
  if (!hosts.ok()) return hosts.status().ToString();
  std::string shown;
  for (const HostSlots& host : *hosts) {
    shown += fmt::format("{}{}:{}{}", shown.empty() ? "" : " ", host.name, host.slots, host.open ? "" : " closed");
  }
  return shown;
}

TEST(InventoryTest, HostsAreReadInTheOrderOfTheFile) { EXPECT_EQ(Parsed("b slots=4\na slots=8\n"), "b:4 a:8"); }

TEST(InventoryTest, CommentsBlankLinesAndSpacesMeanNothing) {
  EXPECT_EQ(Parsed("# rack 1\n\n  \t\n  node-1.example\tslots = 8  # loud\r\nnode_2 slots= 2#x"),
            "node-1.example:8 node_2:2");
}

TEST(InventoryTest, AHostWithoutSlotsHasOne) { EXPECT_EQ(Parsed("login"), "login:1"); }

TEST(InventoryTest, AHostThatIsListedTwiceIsRefusedWithBothLines) {
  EXPECT_THAT(ParseHostfile("a slots=2\n# again\nA slots=3\n", "rack/hosts"),
              StatusIs(Code::kInvalidArgument, AllOf(StartsWith("rack/hosts:3: "), HasSubstr("line 1"))));
}

TEST(InventoryTest, AFileWithoutHostsIsRefused) {
  for (const char* text : {"", "\n\n", "# none\n"}) {
    EXPECT_THAT(ParseHostfile(text, "hosts"), StatusIs(Code::kInvalidArgument)) << text;
  }
}

TEST(InventoryTest, SlotsAreANumberFrom1To65536) {
  EXPECT_EQ(Parsed("a slots=65536"), "a:65536");
  for (const char* slots : {"0", "-1", "65537", "99999999999999999999", "4x", "x", "0x4", "+4", "4.0"}) {
    EXPECT_THAT(ParseHostfile(fmt::format("ok\na slots={}\n", slots), "hosts"),
                StatusIs(Code::kInvalidArgument, AllOf(StartsWith("hosts:2: "), HasSubstr("65536"))))
        << slots;
  }
}

TEST(InventoryTest, AnUnknownWordIsRefusedByName) {
  for (const char* line : {"a max_slots=4", "a slots", "a slots=", "a 4", "a slots 4", "a slots=4 max_slots=8", "a =4",
                           "a slots==4", "a slots=4 5"}) {
    EXPECT_THAT(ParseHostfile(line, "hosts"), StatusIs(Code::kInvalidArgument, StartsWith("hosts:1: "))) << line;
  }
  EXPECT_THAT(Parsed("a slots=4 max_slots=8"), HasSubstr("'max_slots'"));
}

TEST(InventoryTest, NamesThatAShellOrAnOptionParserWouldUnderstandAreRefused) {
  for (const char* name : {"-oProxyCommand=x", "a;reboot", "$(id)", "`id`", "a&b", "a|b", "root@a", "a/b", "a:22", "..",
                           "_a", "*", "a\\b", "\"a\"", "'a'", "a<b", "h\xc3\xb6st", "=4"}) {
    EXPECT_FALSE(IsHostName(name)) << name;
    EXPECT_THAT(ParseHostfile(std::string(name) + "\n", "hosts"), StatusIs(Code::kInvalidArgument)) << name;
  }
  EXPECT_FALSE(IsHostName(""));
  EXPECT_FALSE(IsHostName(std::string(254, 'a')));
  EXPECT_TRUE(IsHostName(std::string(253, 'a')));
  EXPECT_TRUE(IsHostName("10.0.0.7"));
}

TEST(InventoryTest, MessagesCarryNoControlCharactersOfTheFile) {
  EXPECT_THAT(Parsed(std::string("\x1b[2J\0\x07", 6)), AllOf(HasSubstr("'?[2J?"), Not(HasSubstr("\x1b"))));
  EXPECT_LT(Parsed(std::string(100'000, '!')).size(), 300U);
}

TEST(InventoryTest, AHostfileIsLoadedAndAMissingOneIsNamed) {
  const testing::TempDirectory directory;
  ASSERT_OK(WriteFileAtomically(directory / "hosts", "a slots=2\nb slots=2\n"));
  EXPECT_THAT(LoadInventory(directory / "hosts").value(), SizeIs(2));
  EXPECT_THAT(LoadInventory(directory / "none"), StatusIs(Code::kNotFound, HasSubstr("none")));
}

TEST(InventoryTest, WithoutAHostfileThereIsThisMachine) {
  ASSERT_OK_AND_ASSIGN(const auto hosts, LoadInventory(""));
  ASSERT_THAT(hosts, SizeIs(1));
  EXPECT_EQ(hosts[0].name, "localhost");
  EXPECT_GE(hosts[0].slots, 1U);
  EXPECT_TRUE(hosts[0].open);
}

}  // namespace
}  // namespace still::cluster
