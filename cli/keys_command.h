// `still keys`: the keys of a coordinator, made before its first start, which would make them.
#pragma once

#include <string>

#include "common/status.h"

namespace still::cli {

// Makes new keys in `directory` (empty: keys/ of the coordinator's state directory) and says what to do with them.
Status NewKeysCommand(const std::string& directory);

}  // namespace still::cli
