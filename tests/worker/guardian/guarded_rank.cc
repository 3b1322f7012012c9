// A rank for guardian_test: `guarded_rank ENDPOINT BEHAVIOUR FLOOR_SECONDS ORPHAN_SECONDS`, rank 2 of generation 5.
// Says its guardian's pid, then behaves:
//   works    makes progress in compute until it is asked to drain; 0
//   computes, reduces, stage, commit   enters that phase in step 17, microbatch 3, and makes no progress for ever
//   progress   is in commit, shows progress until five of its limits have passed, then waits for a disk for as long; 0
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "common/progress.h"
#include "worker/guardian/guardian.h"

namespace v1 = stillhouse::v1;

int main(int argc, char** argv) {
  using namespace still::worker;
  if (argc != 5) return 2;
  const std::string behaviour = argv[2];
  auto guardian = Guardian::Start({.endpoint = argv[1],
                                   .generation = 5,
                                   .rank = 2,
                                   .log_name = "train/guardian-2",
                                   .hang = {.floor_seconds = std::atof(argv[3]), .factor = 10},
                                   .orphan_seconds = std::atof(argv[4])});
  if (!guardian.ok()) return 70;
  ProgressWriter progress(&(*guardian)->words());
  progress.SetStep(17);
  progress.SetMicrobatch(3);
  for (int known = 0; known < 3; ++known) {  // how long these phases take
    progress.Enter(v1::PHASE_COMPUTE);
    progress.Enter(v1::PHASE_REDUCE);
  }
  progress.Enter(behaviour == "reduces"                             ? v1::PHASE_REDUCE
                 : behaviour == "stage"                             ? v1::PHASE_WAIT
                 : behaviour == "commit" || behaviour == "progress" ? v1::PHASE_COMMIT
                                                                    : v1::PHASE_COMPUTE);
  std::printf("guardian %d\n", (*guardian)->pid());
  std::fflush(stdout);
  if (behaviour == "progress") {
    const still::ProgressScope marks(&(*guardian)->words().marks);
    const auto long_time = std::chrono::duration<double>(5 * 6 * std::atof(argv[3]));
    const auto until = std::chrono::steady_clock::now() + long_time;
    while (std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      still::MarkProgress();
    }
    if (vfork() == 0) {  // the kernel counts a parent that waits for this among those that wait for a disk
      usleep(static_cast<useconds_t>(1e6 * long_time.count()));
      _exit(0);
    }
    return 0;
  }
  while (behaviour != "works") pause();
  while (!progress.drain_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    progress.SetMicrobatch(3);
  }
  return 0;
}
