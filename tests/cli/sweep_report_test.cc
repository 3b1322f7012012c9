#include "cli/sweep_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/svg_plot.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::cli {
namespace {

using still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Writes the artifacts of one finished variant. A second variant is not made.
class SweepReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("student/s1/summary.json", R"({"steps": 240, "loss_last": 3})");
    Write("student/s1/weights.sha256", "abc123\n");
    std::string log;
    for (int step = 0; step < 40; ++step)
      log += fmt::format(R"({{"step": {}, "skipped": {}, "loss": {}, "mlm": {}, "masked_accuracy": 0.1}})"
                         "\n",
                         step, step == 5, 40 - step, 6.0 - step * 0.01);
    Write("student/s1/training.jsonl", log);
    Write("report/r1/summary.json", R"({"teacher_accuracy": 0.27307, "teacher_loss": 4.8507, "student_accuracy": 0.2614,
"accuracy_ratio": 0.95727, "student_loss": 4.9579, "kl_final": 0.24855, "student_parameters": 17420346,
"teacher_parameters": 22743738})");
  }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ / name;
    ASSERT_OK(MakeDirectories(path.substr(0, path.rfind('/'))));
    ASSERT_OK(WriteFileAtomically(path, text));
  }
  SweepReport Report() {
    SweepReport report{.name = "ablation", .variants = {}};
    for (const char* variant : {"1", "2"}) {
      auto result = coordinator::ReadVariantResult({.variant = std::string("v<") + variant,
                                                    .root = directory_.path(),
                                                    .student = std::string("s") + variant,
                                                    .report = std::string("r") + variant});
      EXPECT_OK(result);
      if (result.ok()) report.variants.push_back(std::move(*result));
    }
    return report;
  }
  const testing::TempDirectory directory_;
};

TEST_F(SweepReportTest, TheTableHasEveryVariantAndTheTeacher) {
  EXPECT_THAT(
      ReportText(Report()),
      HasSubstr("VARIANT    STEPS   LOSS  ACCURACY  OF TEACHER'S  MLM LOSS      KL  PARAMETERS  WEIGHTS SHA-256\n"
                "(teacher)                  0.2731                  4.8507          22,743,738\n"
                "v<1          240  1.000    0.2614        95.7 %    4.9579  0.2485  17,420,346  abc123\n"
                "v<2                                                                            not made yet\n"));
}

TEST_F(SweepReportTest, JsonHasTheSameNumbersAndNoNan) {
  const auto json = nlohmann::json::parse(ReportJson(Report()));
  ASSERT_EQ(json["variants"].size(), 2u);
  EXPECT_EQ(json["variants"][0]["weights_sha256"], "abc123");
  EXPECT_EQ(json["variants"][0]["final_loss"], 1.0);
  EXPECT_EQ(json["variants"][0]["evaluation"]["student_accuracy"], 0.2614);
  EXPECT_EQ(json["variants"][1]["made"], false);
  EXPECT_TRUE(json["variants"][1]["final_loss"].is_null());
}

TEST_F(SweepReportTest, ThePictureHasACurveAndABarPerVariantAndIsWellFormed) {
  const std::string svg = ReportSvg(Report());
  EXPECT_THAT(svg, AllOf(HasSubstr("<svg "), HasSubstr("</svg>\n"), HasSubstr("v&lt;1"), HasSubstr(">0.2614<"),
                         HasSubstr("not made"), HasSubstr("teacher 0.2731")));
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")), Not(HasSubstr("v<1"))));
  EXPECT_EQ(svg, ReportSvg(Report()));
  EXPECT_THAT(ReportMarkdown(Report(), "sweep.svg"), HasSubstr("](sweep.svg)"));
}

TEST_F(SweepReportTest, SkippedStepsAreNotOnTheCurve) {
  const auto report = Report();
  EXPECT_EQ(report.variants[0].curve.step.size(), 39u);
  EXPECT_TRUE(report.variants[1].curve.step.empty());
}

TEST_F(SweepReportTest, AnMlmLossThatWasNotComputedIsNotOnTheCurve) {
  Write("student/s1/training.jsonl", R"({"step": 0, "loss": 2, "mlm": 0.0, "masked_accuracy": 0.0})");
  const auto curve = Report().variants[0].curve;
  ASSERT_EQ(curve.mlm.size(), 1u);
  EXPECT_TRUE(std::isnan(curve.mlm[0]));
  EXPECT_TRUE(std::isnan(curve.masked_accuracy[0]));
}

TEST_F(SweepReportTest, ADamagedLogIsRefusedWithItsLine) {
  Write("student/s2/summary.json", "{}");
  Write("student/s2/training.jsonl", "{\"step\": 0}\n{\"st");
  EXPECT_THAT(coordinator::ReadVariantResult({.root = directory_.path(), .student = "s2", .report = "r2"}),
              StatusIs(Code::kDataLoss, HasSubstr("training.jsonl:2")));
}

TEST(SvgPlotTest, TicksAreRoundAndWithin) {
  EXPECT_THAT(Ticks(0, 1), ElementsAre(0, 0.2, ::testing::DoubleEq(0.4), ::testing::DoubleNear(0.6, 1e-9), 0.8, 1));
  EXPECT_THAT(Ticks(3, 17), ElementsAre(4, 6, 8, 10, 12, 14, 16));
  EXPECT_THAT(Ticks(-0.5, 0.5).size(), ::testing::Ge(3u));
}

TEST(SvgPlotTest, SmoothingAveragesThePastAndLeavesOutGaps) {
  const LineSeries smooth = Smoothed({"x", {0, 1, 2, 3}, {2, std::nan(""), 4, 8}}, 2);
  EXPECT_THAT(smooth.x, ElementsAre(0, 2, 3));
  EXPECT_THAT(smooth.y, ElementsAre(2, 3, 6));
  EXPECT_THAT(Smoothed({"x", {0, 1}, {2, 4}}, 0).y, ElementsAre(2, 4));
}

TEST(SvgPlotTest, APictureWithoutDataIsValid) {
  const std::string svg =
      SvgOf("t", {{"a", "step", {}}}, {.title = "b", .bars = {}, .reference = {}, .reference_label = ""});
  EXPECT_THAT(svg, AllOf(HasSubstr("</svg>"), Not(HasSubstr("nan"))));
}

}  // namespace
}  // namespace still::cli
