// "Did you mean": for names that people type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace still {

// The first of `known` that begins with `name`, else the one that is typed most nearly like it; empty when none is
// near.
std::string NearestName(std::string_view name, const std::vector<std::string>& known);

}  // namespace still
