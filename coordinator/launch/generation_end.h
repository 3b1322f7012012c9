// How one generation of a job ended: what the journal remembers, and what the recovery policy decides by.
#pragma once

#include <cstdint>
#include <string>

#include "common/death_text.h"
#include "common/status.h"
#include "common/vocabulary.h"

namespace still::coordinator {

struct GenerationEnd {
  std::uint64_t generation = 0;
  Code code = Code::kOk;
  v1::Death death;         // without a cause when no death ended it
  std::string why;         // the outcome with all evidence, for people
  std::uint64_t step = 0;  // highest that any rank reached; in a stage without steps, what its progress counts
  double seconds = 0;      // how long the generation lasted
  bool in_place = false;   // survivors continued as the next generation
  std::string lost_host;   // the host whose loss ended it; empty: no host was lost

  // Returns the outcome in a few words: "rank 1 died in compute of step 17", "done", or the first line of `why`.
  std::string Summary() const {
    if (death.cause() != v1::DEATH_CAUSE_UNSPECIFIED) return DeathText(death);
    return code == Code::kOk ? "done" : why.substr(0, why.find('\n'));
  }
};

}  // namespace still::coordinator
