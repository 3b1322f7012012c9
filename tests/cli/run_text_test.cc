#include "cli/run_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace still::cli {
namespace {

TEST(RunTextTest, EveryStageOfARunHasTheDigestOfItsPlan) {
  coordinator::Plan plan;
  std::vector<coordinator::StageOutcome> outcomes;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].stage = static_cast<v1::Stage>(v1::STAGE_CORPUS + i);
    plan[i].digest = fmt::format("digest of {}", EnumWord(plan[i].stage));
    outcomes.push_back({.stage = plan[i].stage});
  }
  const nlohmann::json run = nlohmann::json::parse(RunJson("demo", plan, outcomes, {}));
  ASSERT_EQ(run.at("stages").size(), plan.size());
  for (const nlohmann::json& stage : run.at("stages"))
    EXPECT_EQ(stage.at("digest"), "digest of " + stage.at("stage").get<std::string>());
}

}  // namespace
}  // namespace still::cli
