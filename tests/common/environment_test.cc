#include "common/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <regex>
#include <set>

#include "common/storage/files.h"

namespace still {
namespace {

namespace fs = std::filesystem;

// Returns the sources in these folders, by their paths below the root of the repository.
std::vector<std::string> SourcesIn(std::initializer_list<const char*> folders) {
  std::vector<std::string> paths;
  for (const char* room : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(STILL_SOURCE_DIRECTORY) / room)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".cc" || extension == ".h")
        paths.push_back(entry.path().lexically_relative(STILL_SOURCE_DIRECTORY));
    }
  }
  return paths;
}

std::vector<std::string> ProductSources() {
  return SourcesIn({"cli", "cluster", "common", "coordinator", "shards", "worker"});
}

std::string Source(const std::string& path) { return ReadFile(JoinPath(STILL_SOURCE_DIRECTORY, path)).value(); }

// Adds what the group of `pattern` matches in `text`.
void AddNames(const std::string& text, const std::string& pattern, std::set<std::string>* names) {
  const std::regex regex(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) names->insert(at->str(1));
}

TEST(EnvironmentTest, AValueIsReadAndAnAbsentOneIsEmpty) {
  setenv("STILL_HOST", "node-7", 1);
  EXPECT_EQ(EnvironmentValue("STILL_HOST"), "node-7");
  SetEnvironmentValue("STILL_HOST", "node-8");
  EXPECT_EQ(EnvironmentValue("STILL_HOST"), "node-8");
  unsetenv("STILL_HOST");
  EXPECT_EQ(EnvironmentValue("STILL_HOST"), "");
}

TEST(EnvironmentDeathTest, AVariableThatIsNotInTheTableIsABug) {
  EXPECT_DEATH(EnvironmentValue("STILL_NO_SUCH"), "broken invariant");
}

TEST(EnvironmentTest, OnlyTheTablesSourceReadsAndSetsTheEnvironment) {
  for (const std::string& path : ProductSources()) {
    if (path == "common/environment.cc" || path == "common/environment.h") continue;
    EXPECT_THAT(Source(path), ::testing::Not(::testing::ContainsRegex("[gs]etenv\\("))) << path;
  }
}

TEST(EnvironmentTest, TheTableIsSortedAndHoldsExactlyWhatTheSourcesName) {
  EXPECT_TRUE(std::ranges::is_sorted(EnvironmentVariables(), {}, &EnvironmentVariable::name));
  std::set<std::string> named, known;
  for (const std::string& path : ProductSources()) {
    if (path != "common/environment.cc") AddNames(Source(path), "\"(STILL_[A-Z_]+)\"", &named);
  }
  for (const EnvironmentVariable& variable : EnvironmentVariables()) known.emplace(variable.name);
  EXPECT_EQ(named, known);
}

TEST(EnvironmentTest, ContributingHoldsExactlyTheVariablesThatTestsRead) {
  std::set<std::string> read, listed;
  for (const std::string& path : SourcesIn({"tests"}))
    AddNames(Source(path), R"re((?:getenv|Environment)\("(STILL[A-Z_]+)")re", &read);
  std::erase_if(read, [](const std::string& name) { return name == "STILL_FAULT"; });  // the product's own
  AddNames(Source("CONTRIBUTING.md"), "\n\\| `(STILL[A-Z_]+)` \\|", &listed);
  EXPECT_EQ(read, listed);
}

}  // namespace
}  // namespace still
