// A pipeline that a test disturbs by faults and signals: what the survival tests of all stages have in common.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/storage/files.h"
#include "tests/integration/undisturbed_run.h"

namespace still::testing {

// The ways in which a run recovered. One without a value is not checked.
struct Recovery {
  std::optional<bool> in_place;
  std::optional<bool> again;
};
inline constexpr Recovery kAny{};
inline constexpr Recovery kNone{false, false};
inline constexpr Recovery kInPlace{true, {}};
inline constexpr Recovery kOnlyInPlace{true, false};
inline constexpr Recovery kAgain{{}, true};
inline constexpr Recovery kInPlaceAndAgain{true, true};

using Setting = std::pair<std::string, std::string>;  // key and value of the configuration

// A run that faults disturb and that ends well.
struct FaultCase {
  std::string name;
  std::vector<Setting> settings;
  std::vector<std::string> faults;  // as --fault takes them
  Recovery recovery;
  std::string fact = {};  // that the output shows
};

inline void PrintTo(const FaultCase& fault_case, std::ostream* out) { *out << fault_case.name; }
inline std::string NameOf(const ::testing::TestParamInfo<FaultCase>& test) { return test.param.name; }

// Returns whether survivors of a death went on without it.
inline bool RecoveredInPlace(const ProcessResult& result) { return result.err.find(" in place ") != std::string::npos; }
// Returns whether the ranks were launched again after a death.
inline bool LaunchedAgain(const ProcessResult& result) {
  return result.err.find("launched again") != std::string::npos;
}

class SurvivalFixture : public ::testing::Test {
 protected:
  // No stage after `last_stage` runs.
  explicit SurvivalFixture(std::string last_stage) : last_stage_(std::move(last_stage)) {}

  void SetUp() override {
    REQUIRE_DEMO_DATA();
    pipeline_ = Prepared(directory_.path());
  }
  // Returns a pipeline under `directory` that is ready for the stage.
  virtual std::unique_ptr<TinyPipeline> Prepared(const std::string& directory) const = 0;

  // Expects success, with what the undisturbed run makes.
  virtual void ExpectUndisturbed(const ProcessResult& result) = 0;
  // Returns what the ranks and their guardians wrote.
  std::string Log() const { return ReadFile(pipeline_->artifacts() + "/runs/tiny/" + last_stage_ + ".log").value(); }

  // Returns the flags of `still run` with these faults, as --fault takes them.
  std::vector<std::string> Flags(const std::vector<std::string>& faults) const {
    std::vector<std::string> flags = {"--until", last_stage_};
    for (const std::string& fault : faults) flags.insert(flags.end(), {"--fault", fault});
    return flags;
  }
  ProcessResult Run(const std::vector<std::string>& faults = {}) { return pipeline_->Run(Flags(faults)); }
  // Runs a case and expects that it ends as the undisturbed run does, and how it recovers.
  void Survive(const FaultCase& fault_case) {
    for (const auto& [key, value] : fault_case.settings) pipeline_->Set(key, value);
    const ProcessResult result = Run(fault_case.faults);
    ExpectUndisturbed(result);
    const auto [in_place, again] = fault_case.recovery;
    if (in_place) {
      EXPECT_EQ(RecoveredInPlace(result), *in_place) << result.err;
    }
    if (again) {
      EXPECT_EQ(LaunchedAgain(result), *again) << result.err;
    }
    EXPECT_NE((result.out + result.err).find(fault_case.fact), std::string::npos) << result.out << result.err;
  }
  // Starts a run and blocks until `holds`. The run must not end before that.
  std::unique_ptr<Process> StartUntil(const std::vector<std::string>& faults, const std::function<bool()>& holds) {
    auto run = std::make_unique<Process>(pipeline_->Command(Flags(faults)));
    while (run->Running() && !holds()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(run->Running()) << run->Output();
    return run;
  }
  // Returns how many artifacts of this kind have a name that ends so, temporaries included.
  int Ending(const std::string& kind, const std::string& suffix) const {
    int count = 0;
    for (const std::string& path : pipeline_->Artifacts(kind)) count += path.ends_with(suffix) ? 1 : 0;
    return count;
  }

  const TempDirectory directory_;
  std::unique_ptr<TinyPipeline> pipeline_;

 private:
  const std::string last_stage_;
};

}  // namespace still::testing
