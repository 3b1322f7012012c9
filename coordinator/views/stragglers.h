// Finds stragglers: ranks that hold up the others of their gang. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/view.pb.h"

namespace still::coordinator {

// Returns the ranks that hold up the others, in the order of `ranks`. A rank straggles in three cases: it is at
// least two steps behind the first rank; it has shown no progress for much longer than the others that work alone; or
// it still works alone while at least half of the ranks have waited in reduce or vote.
std::vector<std::uint32_t> Stragglers(const std::vector<v1::RankState>& ranks);

}  // namespace still::coordinator
