// How one generation of a job ended: what the journal remembers and the recovery policy decides by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/status.h"
#include "common/vocabulary.h"

namespace still::coordinator {

struct GenerationEnd {
  std::uint64_t generation = 0;
  Code code = Code::kOk;
  std::string what;                   // in a few words: "rank 1 died in compute of step 17"
  std::string why;                    // all there is to say: the outcome, with the end of the log
  std::uint64_t step = 0;             // that any rank reached; in a stage without steps, what its progress counts
  std::optional<std::uint32_t> rank;  // at fault, when known,
  std::string phase;                  // and where it was last seen
  double seconds = 0;                 // that it lasted
  bool in_place = false;              // survivors went on as the next generation
  std::string lost_host;              // whose loss ended it; empty: no host was lost
  v1::Death death;                    // when it ended by one
};

}  // namespace still::coordinator
