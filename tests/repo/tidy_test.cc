// The house rules that a machine can check: includes, owners of libraries, sizes, registered tests, names, comments.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/faults/fault_names.h"

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;    // relative to the repository
  std::string folder;  // first component
  std::vector<std::string> lines;
};

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Source> SourcesWith(const std::set<std::string>& extensions) {
  std::vector<Source> found;
  for (const char* folder : {"common", "shards", "cluster", "coordinator", "worker", "cli", "tests"}) {
    const fs::path root = fs::path(STILLHOUSE_SOURCE_DIR) / folder;
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension().string();
      if (!extensions.contains(extension)) continue;
      Source source{fs::relative(entry.path(), STILLHOUSE_SOURCE_DIR).string(), folder, {}};
      std::istringstream text(ReadAll(entry.path()));
      for (std::string line; std::getline(text, line);) source.lines.push_back(line);
      found.push_back(std::move(source));
    }
  }
  std::sort(found.begin(), found.end(), [](const Source& a, const Source& b) { return a.path < b.path; });
  return found;
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = SourcesWith({".h", ".cc"});
  return sources;
}

void ExpectLinesWithin120Columns(const Source& source) {
  for (std::size_t i = 0; i < source.lines.size(); ++i) {
    // A line of non-ASCII text is longer in bytes than in columns.
    const auto columns = std::count_if(source.lines[i].begin(), source.lines[i].end(),
                                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    EXPECT_LE(columns, 120) << source.path << ":" << i + 1;
  }
}

// Calls visit(source, line number, what stands between the quotes or brackets).
template <typename Visit>
void ForEachInclude(Visit visit) {
  static const std::regex pattern("^\\s*#\\s*include\\s+[<\"]([^>\"]+)[>\"]");
  for (const Source& source : Sources()) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match;
      if (std::regex_search(source.lines[i], match, pattern)) visit(source, i + 1, match[1].str());
    }
  }
}

TEST(TidyTest, FoldersIncludeOnlyDownwards) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"common", {"common"}},
      {"shards", {"shards", "common"}},
      {"cluster", {"cluster", "common"}},
      {"coordinator", {"coordinator", "cluster", "shards", "common"}},
      {"worker", {"worker", "shards", "common"}},
      {"cli", {"cli", "coordinator", "cluster", "shards", "common"}},
  };
  int checked = 0;
  ForEachInclude([&](const Source& source, std::size_t line, const std::string& included) {
    const std::string target = included.substr(0, included.find('/'));
    if (!allowed.contains(source.folder) || (!allowed.contains(target) && target != "tests")) return;
    ++checked;
    EXPECT_TRUE(allowed.at(source.folder).contains(target))
        << source.path << ":" << line << " includes " << included << ", against the arrows of docs/architecture.md";
  });
  EXPECT_GT(checked, 100);
}

// Returns the room of a path, its first two components: "coordinator/jobs" of "coordinator/jobs/queue.h". A file at the
// top of a folder belongs to the folder itself: "common" of "common/status.h".
std::string RoomOf(const std::string& path) {
  const std::size_t first = path.find('/');
  const std::size_t second = path.find('/', first + 1);
  return path.substr(0, second == std::string::npos ? first : second);
}

TEST(TidyTest, RoomsIncludeOnlyDownwards) {
  const std::set<std::string> storage = {"common", "common/proto", "common/storage", "common/faults"};
  const std::set<std::string> coordinator = {"plan", "scheduler", "jobs", "launch", "agent", "views", "client", "http"};
  const std::set<std::string> stage = {"worker/control", "worker/model"};
  // Each room below the top folders, and the rooms of the same folder that it may include beside
  // itself.
  std::map<std::string, std::set<std::string>> allowed = {
      {"common", {"common/proto"}},
      {"common/storage", storage},
      {"common/faults", storage},
      {"common/rpc", storage},
      {"common/config", storage},
      {"shards", {}},
      {"shards/dump", {}},
      {"shards/text", {}},
      {"shards/corpus", {"shards", "shards/dump", "shards/text"}},
      {"shards/targets", {"shards", "shards/text"}},
      {"coordinator/plan", {}},
      {"coordinator/scheduler", {}},
      {"coordinator/launch", {}},
      {"coordinator/client", {}},
      {"coordinator/jobs", {"coordinator/scheduler"}},
      {"coordinator/agent", {"coordinator/launch", "coordinator/plan", "coordinator/client"}},
      {"coordinator/views", {"coordinator/jobs", "coordinator/scheduler"}},
      {"coordinator/http", {"coordinator/views"}},
      {"coordinator/daemon", {}},
      {"worker/device", {}},
      {"worker/model", {"worker/device"}},
      {"worker/collective", {}},
      {"worker/guardian", {}},
      {"worker/checkpoint", {"worker/collective", "worker/model"}},
      {"worker/control", {"worker/collective", "worker/guardian"}},
      {"worker/corpus", {"worker/control"}},
      {"worker/train",
       {"worker/checkpoint", "worker/collective", "worker/control", "worker/device", "worker/guardian",
        "worker/model"}},
      {"worker/targets", stage},
      {"worker/evaluate", stage},
      {"worker/export", stage},
      {"worker", {"worker/collective", "worker/control", "worker/device", "worker/guardian", "worker/model"}},
  };
  for (const std::string& room : coordinator) allowed["coordinator/daemon"].insert("coordinator/" + room);
  ForEachInclude([&](const Source& source, std::size_t line, const std::string& included) {
    if (source.folder == "cluster" || source.folder == "cli" || source.folder == "tests") return;
    if (!included.starts_with(source.folder + "/")) return;
    const std::string from = RoomOf(source.path);
    const std::string to = RoomOf(included);
    ASSERT_TRUE(allowed.contains(from)) << source.path << " is in a room without arrows: give it a row above";
    EXPECT_TRUE(from == to || allowed.at(from).contains(to))
        << source.path << ":" << line << " includes " << included << ", against the arrows of docs/architecture.md";
  });
}

TEST(TidyTest, EachLibraryHasOneOwner) {
  struct Rule {
    std::string included;             // prefix of what is included
    std::vector<std::string> owners;  // path prefixes that may
  };
  const std::vector<Rule> rules = {
      {"rocksdb/", {"common/storage/sealed_kv.cc", "common/storage/kv_store.cc", "common/storage/rocksdb_status.h"}},
      {"zmq", {"common/rpc/"}},
      {"spdlog/", {"common/log.cc"}},
      {"yaml-cpp/", {"common/config/yaml_reader.h"}},
      {"openssl/", {"common/digest.cc"}},
      {"httplib.h", {"coordinator/http/http_server.cc"}},
      {"bzlib.h", {"shards/dump/"}},
      {"expat.h", {"shards/dump/"}},
      {"mpi.h", {"worker/collective/"}},
      {"nccl.h", {"worker/collective/"}},
      {"cuda_runtime", {"worker/collective/"}},
      {"ATen/", {"worker/"}},
      {"torch/", {"worker/"}},
      {"CLI/", {"cli/", "worker/main.cc"}},
      {"unicode/", {"shards/text/", "coordinator/views/views.cc", "cli/text.cc"}},
      // Each of these reads or writes one JSON format. Views have one writer.
      {"nlohmann/",
       {"common/storage/artifact.cc", "common/storage/checkpoint.cc", "common/storage/safetensors.cc",
        "shards/corpus/corpus_manifest.cc", "shards/targets/target_store.cc", "coordinator/plan/sweep_results.cc",
        "coordinator/plan/teacher_facts.cc", "coordinator/views/", "coordinator/http/", "worker/model/shape.cc",
        "worker/model/bert_import.cc", "worker/evaluate/report.cc", "worker/export/", "worker/train/metrics_log.cc",
        "cli/"}},
  };
  std::set<std::string> includers;  // owners that include their library
  ForEachInclude([&](const Source& source, std::size_t line, const std::string& included) {
    for (const Rule& rule : rules) {
      if (!included.starts_with(rule.included)) continue;
      bool owner = false;
      for (const std::string& prefix : rule.owners) {
        if (!source.path.starts_with(prefix)) continue;
        owner = true;
        includers.insert(rule.included + prefix);
      }
      const bool test_of_it = source.folder == "tests" && included != "torch/torch.h";
      EXPECT_TRUE(owner || test_of_it) << source.path << ":" << line << " includes " << included;
    }
  });
  for (const Rule& rule : rules) {
    for (const std::string& prefix : rule.owners)
      EXPECT_TRUE(includers.contains(rule.included + prefix)) << prefix << " includes no " << rule.included;
  }
}

TEST(TidyTest, TheModelAndItsKernelsSeeNoProtobuf) {
  ForEachInclude([](const Source& source, std::size_t line, const std::string& included) {
    const bool chooses = source.path.starts_with("worker/device/device.");  // the device that the configuration names
    const bool numeric = source.path.starts_with("worker/model/") || source.path.starts_with("worker/collective/") ||
                         (source.path.starts_with("worker/device/") && !chooses);
    const bool protobuf = included.ends_with(".pb.h") || included.starts_with("google/protobuf/");
    EXPECT_FALSE(numeric && protobuf) << source.path << ":" << line << " includes " << included;
  });
}

// Views promise time per phase and per kind of goodput. A phase that no worker enters is a promise nobody keeps. A rank
// enters a phase by ProgressWriter::Enter, or as the phase of a pass over the corpus.
TEST(TidyTest, WorkersEnterEveryPhase) {
  const std::string schema = ReadAll(fs::path(STILLHOUSE_SOURCE_DIR) / "common/proto/vocabulary.proto");
  std::string workers;
  for (const Source& source : Sources()) {
    if (!source.path.starts_with("worker/") || !source.path.ends_with(".cc")) continue;
    for (const std::string& line : source.lines) workers += line + "\n";
  }
  static const std::regex pattern("\\b(PHASE_[A-Z_]+) = [1-9]");
  int phases = 0;
  for (auto match = std::sregex_iterator(schema.begin(), schema.end(), pattern); match != std::sregex_iterator();
       ++match, ++phases) {
    const std::regex entered("(Enter\\(|kPhaseOfPass\\[)[^;]*\\bv1::" + (*match)[1].str() + "\\b");
    EXPECT_TRUE(std::regex_search(workers, entered)) << "no source of worker/ enters " << (*match)[1];
  }
  EXPECT_GT(phases, 15);
}

TEST(TidyTest, FilesStayWithinTheirSize) {
  for (const Source& source : Sources()) {
    const std::size_t limit = source.folder == "tests" ? 500 : source.path.ends_with(".h") ? 200 : 420;
    EXPECT_LE(source.lines.size(), limit) << source.path << " is perhaps two rooms in one: split it";
    ExpectLinesWithin120Columns(source);
  }
  for (const Source& source : SourcesWith({".proto", ".js", ".css"})) ExpectLinesWithin120Columns(source);
}

TEST(TidyTest, EveryTestFileIsRegistered) {
  for (const Source& source : Sources()) {
    if (source.folder != "tests" || !source.path.ends_with("_test.cc")) continue;
    const fs::path path = fs::path(STILLHOUSE_SOURCE_DIR) / source.path;
    const std::string list =
        ReadAll(path.parent_path() / "CMakeLists.txt") + ReadAll(path.parent_path().parent_path() / "CMakeLists.txt");
    EXPECT_NE(list.find(path.stem().string()), std::string::npos) << source.path << " is built by no target";
  }
}

TEST(TidyTest, LinksOfTheDocumentsLeadSomewhere) {
  const std::regex link("\\]\\(([^)#:]+)\\)");
  for (const char* name : {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/formats.md",
                           "docs/operations.md", "docs/performance.md", "docs/recovery.md"}) {
    const fs::path path = fs::path(STILLHOUSE_SOURCE_DIR) / name;
    const std::string text = ReadAll(path);
    EXPECT_FALSE(text.empty()) << name;
    EXPECT_EQ(text.find("DEMO_"), std::string::npos) << name << " has a placeholder";
    for (std::sregex_iterator at(text.begin(), text.end(), link), end; at != end; ++at) {
      EXPECT_TRUE(fs::exists(path.parent_path() / (*at)[1].str())) << name << " links " << (*at)[1];
    }
  }
}

TEST(TidyTest, NothingIsLeftForLaterAndNamesSayWhatThingsAre) {
  const std::regex leftover("\\b(TODO|FIXME|XXX|HACK)\\b");
  const std::regex vague("\\b(class|struct|namespace)\\s+\\w*(Manager|Handler|Util|Helper)s?\\b");
  for (const Source& source : Sources()) {
    if (source.path == "tests/repo/tidy_test.cc") continue;
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      EXPECT_FALSE(std::regex_search(source.lines[i], leftover)) << source.path << ":" << i + 1;
      EXPECT_FALSE(std::regex_search(source.lines[i], vague)) << source.path << ":" << i + 1;
    }
  }
}

TEST(TidyTest, CommentsAreWholeSentences) {
  // The first line of a comment at the margin must not begin with the words of a fragment.
  static const std::regex fragment(
      "^// (Of|Who|Whoever|That|Those|Nobody|For who|As if|What|Which|Where|Whether|Why|How) ");
  static const std::regex comment("^//");
  for (const Source& source : Sources()) {
    bool inside = false;  // a line that continues a comment may begin with any word
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      const bool is_comment = std::regex_search(source.lines[i], comment);
      EXPECT_FALSE(is_comment && !inside && std::regex_search(source.lines[i], fragment))
          << source.path << ":" << i + 1 << ": begin with a subject and a verb";
      inside = is_comment;
    }
  }
}

TEST(TidyTest, EveryFaultPointIsInTheListAndNoOtherIs) {
  static const std::regex pattern("(Fault(?:Point|Tears|Spoils|Flips))\\(\"([^\"]+)\"");
  std::set<std::string> passed, listed;
  for (const Source& source : Sources()) {
    if (source.folder == "tests" || source.path == "common/faults/fault_point.h") continue;
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (std::regex_search(line, match, pattern)) passed.insert(match[1].str() + " " + match[2].str());
    }
  }
  for (const still::FaultName& name : still::FaultNames())
    listed.insert(std::string(name.call) + " " + std::string(name.point));
  EXPECT_EQ(passed, listed) << "common/faults/fault_names.cc lists them";
}

}  // namespace
