// The text of a v1::GenerationEnd for people. The message is the journal's record of how a generation of a job ended,
// and the recovery policy decides by it.
#pragma once

#include <string>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// Returns in a few words how the generation ended: "rank 1 died in compute of step 17", "done", or the first line of
// the reason.
std::string EndText(const v1::GenerationEnd& end);

}  // namespace still::coordinator
