// LibTorch and the standard library report failures by exceptions; ours are statuses. The first line says it all.
#pragma once

#include <exception>
#include <new>
#include <string_view>

#include "common/status.h"

namespace still::worker {

inline Status StatusOfException(const std::exception& exception) {
  const std::string_view text = exception.what();
  const std::string_view line = text.substr(0, text.find('\n'));
  const bool out_of_memory = dynamic_cast<const std::bad_alloc*>(&exception) != nullptr ||
                             line.find("can't allocate memory") != std::string_view::npos;  // LibTorch's allocator
  if (out_of_memory)
    return Error(Code::kResourceExhausted, "out of memory: {}; lower microbatch_tokens or ranks", line);
  return Error(Code::kInternal, "{}", line);
}

}  // namespace still::worker
