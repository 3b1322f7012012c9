// The weights and divisors of the triple loss (loss.h). This header needs no tensor library.
#pragma once

#include <cstdint>

namespace still::worker {

struct LossWeights {
  double alpha_ce = 5;
  double alpha_mlm = 2;
  double alpha_cos = 1;
  double temperature = 2;
};

// Numbers of positions in the whole step, known from its plan.
struct StepPositions {
  std::int64_t targets = 0;  // where KL and cosine apply
  std::int64_t masked = 0;   // where CE applies
};

}  // namespace still::worker
