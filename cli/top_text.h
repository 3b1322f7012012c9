// One picture of everything: `still top`.
#pragma once

#include <cstddef>
#include <string>

#include "common/proto/view.pb.h"
#include "common/vocabulary.h"

namespace still::cli {

// Of the view "top": jobs with what they do, then hosts. Ends with a line break.
std::string TopText(const v1::View& view);

// `picture` for a terminal of this size: lines clipped to its columns, at most all but one of its rows, each followed
// by an order to clear the rest of the line; drawn from the upper left corner, what was below is cleared.
std::string Redrawn(const std::string& picture, std::size_t columns, std::size_t rows);

}  // namespace still::cli
