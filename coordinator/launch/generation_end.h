// The text of a v1::GenerationEnd, by which the journal remembers and the recovery policy decides how a generation of a
// job ended.
#pragma once

#include <string>

#include "common/proto/coordinator.pb.h"
#include "common/vocabulary.h"

namespace still::coordinator {

// Returns in a few words how the generation ended: "rank 1 died in compute of step 17", "done", or the first line of
// the reason.
std::string EndText(const v1::GenerationEnd& end);

}  // namespace still::coordinator
