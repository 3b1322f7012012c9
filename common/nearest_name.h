// Finds the name that a person meant to type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace still {

// Returns the first of `known` that begins with `name`, else the one that differs by the fewest slips. Returns "" when
// none is near: about one slip in three letters.
std::string NearestName(std::string_view name, const std::vector<std::string>& known);

}  // namespace still
