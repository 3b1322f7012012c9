// The undisturbed run of the tiny pipeline. Each test binary makes it once; its digests and artifacts serve every case.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/testing/temp_directory.h"
#include "tests/testing/tiny_pipeline.h"

#define REQUIRE_DEMO_DATA() \
  if (still::testing::DemoData().empty()) GTEST_SKIP() << "no demo data: run scripts/fetch_demo_data.sh"

namespace still::testing {

struct UndisturbedRun {
  UndisturbedRun() : pipeline(directory.path(), DemoData()), result(pipeline.Run()) {}
  TempDirectory directory;
  TinyPipeline pipeline;
  ProcessResult result;
};

inline const UndisturbedRun& TheUndisturbed() {
  static const UndisturbedRun run;  // removed at exit, with its artifacts
  EXPECT_EQ(run.result.exit_code, 0) << run.result.out << run.result.err;
  return run;
}

inline std::string UndisturbedDigest() { return TheUndisturbed().pipeline.StudentDigest(); }

// Gives `pipeline` the undisturbed run's artifacts of all kinds before `kind`, so that it starts there.
inline void StartAt(const std::string& kind, const TinyPipeline& pipeline) {
  namespace fs = std::filesystem;
  for (const char* earlier : {"corpus", "teacher", "targets", "student", "report", "export"}) {
    if (kind == earlier) return;
    fs::create_directories(pipeline.artifacts());
    fs::copy(TheUndisturbed().pipeline.artifacts() + "/" + earlier, pipeline.artifacts() + "/" + earlier,
             fs::copy_options::recursive);
  }
}

}  // namespace still::testing
