// The picture of jobs, ranks and hosts that `still top` shows.
#pragma once

#include <cstddef>
#include <string>

#include "common/enum_words.h"
#include "common/proto/view.pb.h"

namespace still::cli {

// Returns the view "top" as text: active jobs, waiting jobs, hosts. Ends with a line break.
std::string TopText(const v1::View& view);

// Returns the bytes that make a terminal of this size show `picture` from its upper left corner, and nothing else.
// Clips lines to `columns`, and leaves the last row free.
std::string Redrawn(const std::string& picture, std::size_t columns, std::size_t rows);

}  // namespace still::cli
