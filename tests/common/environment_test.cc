#include "common/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

#include "common/storage/files.h"

namespace still {
namespace {

namespace fs = std::filesystem;

// Returns the sources of the product, by their paths below the root of the repository.
std::vector<std::string> ProductSources() {
  std::vector<std::string> paths;
  for (const char* room : {"cli", "cluster", "common", "coordinator", "shards", "worker"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(STILL_SOURCE_DIRECTORY) / room)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".cc" || extension == ".h")
        paths.push_back(entry.path().lexically_relative(STILL_SOURCE_DIRECTORY));
    }
  }
  return paths;
}

std::string Source(const std::string& path) { return ReadFile(JoinPath(STILL_SOURCE_DIRECTORY, path)).value(); }

TEST(EnvironmentTest, AValueIsReadAndAnAbsentOneIsEmpty) {
  setenv("STILL_HOST", "node-7", 1);
  EXPECT_EQ(EnvironmentValue("STILL_HOST"), "node-7");
  unsetenv("STILL_HOST");
  EXPECT_EQ(EnvironmentValue("STILL_HOST"), "");
}

TEST(EnvironmentDeathTest, AVariableThatIsNotInTheTableIsABug) {
  EXPECT_DEATH(EnvironmentValue("STILL_NO_SUCH"), "broken invariant");
}

TEST(EnvironmentTest, OnlyTheTablesSourceCallsGetenv) {
  for (const std::string& path : ProductSources()) {
    if (path == "common/environment.cc" || path == "common/environment.h") continue;
    EXPECT_THAT(Source(path), ::testing::Not(::testing::HasSubstr("getenv("))) << path;
  }
}

TEST(EnvironmentTest, TheTableIsSortedAndHoldsExactlyWhatTheSourcesName) {
  EXPECT_TRUE(std::ranges::is_sorted(EnvironmentVariables(), {}, &EnvironmentVariable::name));
  std::set<std::string> named;
  const std::regex literal("\"(STILL_[A-Z_]+)\"");
  for (const std::string& path : ProductSources()) {
    if (path == "common/environment.cc") continue;
    const std::string source = Source(path);
    for (std::sregex_iterator at(source.begin(), source.end(), literal), end; at != end; ++at) named.insert(at->str(1));
  }
  std::set<std::string> known;
  for (const EnvironmentVariable& variable : EnvironmentVariables()) known.emplace(variable.name);
  EXPECT_EQ(named, known);
}

}  // namespace
}  // namespace still
