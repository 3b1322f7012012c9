#include "coordinator/views/metrics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tests/testing/made_up_cluster.h"

namespace still::coordinator {
namespace {

using still::testing::MadeUpCluster;

// Reads the text format as its specification (0.0.4) defines it, and refuses everything else. HELP and TYPE come once,
// before the samples of their family. Families are not interleaved. Names, escapes and numbers are well-formed. No
// sample comes twice. The text ends with a line feed.
class Scrape {
 public:
  explicit Scrape(const std::string& text) {
    EXPECT_TRUE(text.ends_with("\n"));
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      ReadLine(std::string_view(text).substr(begin, end - begin));
      begin = end + 1;
    }
  }
  // Returns the value of a sample, named by its family and labels as they are written.
  std::optional<double> Value(const std::string& sample) const {
    const auto found = samples_.find(sample);
    return found == samples_.end() ? std::nullopt : std::optional(found->second);
  }
  const std::map<std::string, std::string>& types() const { return types_; }
  std::size_t size() const { return samples_.size(); }

 private:
  static bool NameStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == ':'; }
  static std::string TakeName(std::string_view* line) {
    std::size_t size = 0;
    while (size < line->size() && (NameStart((*line)[size]) || (size > 0 && std::isdigit((*line)[size])))) ++size;
    EXPECT_GT(size, 0u) << *line;
    const std::string name(line->substr(0, size));
    line->remove_prefix(size);
    return name;
  }
  static void Take(std::string_view* line, std::string_view expected) {
    ASSERT_TRUE(line->starts_with(expected)) << "'" << expected << "' expected at: " << *line;
    line->remove_prefix(expected.size());
  }

  void ReadLine(std::string_view line) {
    const std::string whole(line);
    if (line.starts_with("# HELP ")) {
      line.remove_prefix(7);
      family_ = TakeName(&line);
      EXPECT_TRUE(helped_.insert(family_).second) << "twice or torn apart: " << whole;
      EXPECT_TRUE(line.starts_with(" ") && line.size() > 2) << whole;
      return;
    }
    if (line.starts_with("# TYPE ")) {
      line.remove_prefix(7);
      EXPECT_EQ(TakeName(&line), family_) << whole;
      EXPECT_TRUE(line == " gauge" || line == " counter") << whole;
      types_[family_] = line.substr(1);
      return;
    }
    EXPECT_EQ(TakeName(&line), family_) << whole;
    EXPECT_TRUE(types_.contains(family_)) << whole;
    if (line.starts_with("{")) ReadLabels(&line);
    const std::string key = whole.substr(0, whole.size() - line.size());
    Take(&line, " ");
    EXPECT_EQ(line.find(' '), std::string_view::npos) << whole;
    char* end = nullptr;
    const std::string number(line);
    const double value = std::strtod(number.c_str(), &end);
    EXPECT_TRUE(!number.empty() && *end == '\0') << whole;
    EXPECT_TRUE(samples_.emplace(key, value).second) << "twice: " << whole;
  }

  void ReadLabels(std::string_view* line) {
    std::set<std::string> names;
    const char* before = "{";
    while (!line->starts_with("}")) {
      ASSERT_NO_FATAL_FAILURE(Take(line, before));
      before = ",";
      EXPECT_TRUE(names.insert(TakeName(line)).second) << *line;
      ASSERT_NO_FATAL_FAILURE(Take(line, "=\""));
      while (!line->starts_with("\"")) {
        ASSERT_FALSE(line->empty()) << "a label without an end";
        if (line->starts_with("\\")) {
          line->remove_prefix(1);
          ASSERT_TRUE(line->starts_with("\\") || line->starts_with("\"") || line->starts_with("n")) << *line;
        }
        line->remove_prefix(1);
      }
      line->remove_prefix(1);
    }
    line->remove_prefix(1);
  }

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
};

std::string TextOf(const MadeUpCluster& cluster) {
  return MetricsText(cluster.state, cluster.live, cluster.waits,
                     {.journal_sequence = 49, .started_ms = MadeUpCluster::kNow - 90'000}, MadeUpCluster::kNow);
}

TEST(MetricsTextTest, IsWellFormedAndComplete) {
  const Scrape scrape(TextOf(MadeUpCluster()));
  for (const char* family :
       {"stillhouse_jobs", "stillhouse_job_progress_ratio", "stillhouse_job_tokens_per_second", "stillhouse_job_loss",
        "stillhouse_job_generation", "stillhouse_job_recoveries_total", "stillhouse_job_ranks",
        "stillhouse_job_goodput_seconds", "stillhouse_job_heartbeat_age_seconds", "stillhouse_job_queue_wait_seconds",
        "stillhouse_host_slots", "stillhouse_host_slots_free", "stillhouse_host_state", "stillhouse_journal_sequence",
        "stillhouse_uptime_seconds", "stillhouse_storage_degraded"}) {
    EXPECT_TRUE(scrape.types().contains(family)) << family;
  }
}

TEST(MetricsTextTest, ValuesAreThoseOfTheState) {
  const Scrape scrape(TextOf(MadeUpCluster()));
  const std::string job = "{job=\"4\",name=\"demo/train\"";
  EXPECT_EQ(scrape.Value("stillhouse_jobs{state=\"PENDING\"}"), 3);
  EXPECT_EQ(scrape.Value("stillhouse_jobs{state=\"TIMEOUT\"}"), 0);
  EXPECT_EQ(scrape.Value("stillhouse_job_done_units" + job + ",unit=\"steps\"}"), 9182);
  EXPECT_EQ(scrape.Value("stillhouse_job_generation" + job + "}"), 7);
  EXPECT_EQ(scrape.Value("stillhouse_job_recoveries_total" + job + ",cause=\"died\"}"), 1);
  EXPECT_EQ(scrape.Value("stillhouse_job_ranks" + job + ",phase=\"compute\"}"), 7);
  EXPECT_EQ(scrape.Value("stillhouse_job_heartbeat_age_seconds{job=\"12\",name=\"wikipedia/targets\"}"), 14);
  EXPECT_EQ(scrape.Value("stillhouse_job_queue_wait_seconds{job=\"9\",name=\"ablation/random-init/train\"}"), 180);
  EXPECT_EQ(scrape.Value("stillhouse_job_flag{job=\"12\",name=\"wikipedia/targets\",flag=\"UNREACHABLE\"}"), 1);
  EXPECT_EQ(scrape.Value("stillhouse_host_slots_free{host=\"node-a\"}"), 1);
  EXPECT_EQ(scrape.Value("stillhouse_host_state{host=\"node-c\",state=\"DRAINED\"}"), 1);
  EXPECT_EQ(scrape.Value("stillhouse_host_state{host=\"node-c\",state=\"UP\"}"), 0);
  EXPECT_EQ(scrape.Value("stillhouse_journal_sequence"), 49);
  EXPECT_EQ(scrape.Value("stillhouse_uptime_seconds"), 90);
  EXPECT_EQ(scrape.Value("stillhouse_storage_degraded"), 0);
}

TEST(MetricsTextTest, HostileLabelsStayLabels) {
  MadeUpCluster cluster;
  v1::Job job = *cluster.state.FindJob(MadeUpCluster::kHostile);
  job.mutable_spec()->set_name("a\"} 1\nstillhouse_fake 7\n\\");
  cluster.state.Apply({.jobs = {job}});
  const std::string text = TextOf(cluster);
  const Scrape scrape(text);
  EXPECT_EQ(scrape.Value("stillhouse_job_attempts{job=\"11\",name=\"a\\\"} 1\\nstillhouse_fake 7\\n\\\\\"}"), 0);
  EXPECT_EQ(text.find("\nstillhouse_fake"), std::string::npos);
}

TEST(MetricsTextTest, LossThatIsNotANumberIsNaN) {
  MadeUpCluster cluster;
  cluster.ReportLoss(std::nan(""));
  EXPECT_THAT(TextOf(cluster), ::testing::HasSubstr("stillhouse_job_loss{job=\"4\",name=\"demo/train\"} NaN\n"));
  Scrape scrape(TextOf(cluster));
}

TEST(MetricsTextTest, EmptyCoordinatorIsWellFormed) {
  const Scrape scrape(MetricsText(State(), LiveJobs(), {}, {.started_ms = 0}, 1000));
  EXPECT_EQ(scrape.Value("stillhouse_jobs{state=\"RUNNING\"}"), 0);
  EXPECT_EQ(scrape.Value("stillhouse_uptime_seconds"), 1);
}

}  // namespace
}  // namespace still::coordinator
