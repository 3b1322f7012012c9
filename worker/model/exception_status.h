// Converts exceptions of LibTorch and of the standard library into statuses, which this project uses.
#pragma once

#include <exception>
#include <new>
#include <string_view>

#include "common/status.h"

namespace still::worker {

// Returns RESOURCE_EXHAUSTED for a lack of memory, else INTERNAL. The message is the first line of the exception's.
// LibTorch's allocator of CPU memory throws the c10::Error that everything else in LibTorch throws, so only the text
// tells that memory was lacking.
inline Status StatusOfException(const std::exception& exception) {
  const std::string_view text = exception.what();
  const std::string_view line = text.substr(0, text.find('\n'));
  const bool out_of_memory = dynamic_cast<const std::bad_alloc*>(&exception) != nullptr ||
                             line.find("can't allocate memory") != std::string_view::npos;
  if (out_of_memory)
    return Error(Code::kResourceExhausted, "out of memory: {}; lower microbatch_tokens or ranks", line);
  return Error(Code::kInternal, "{}", line);
}

}  // namespace still::worker
