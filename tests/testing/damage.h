// Damages files, as a bad disk does.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"

namespace still::testing {

// Flips one bit of the byte at `at`. The file is replaced, so a reader that has it open does not see the damage.
inline void FlipBit(const std::string& path, std::uint64_t at) {
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(path));
  ASSERT_LT(at, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  ASSERT_OK(WriteFileAtomically(path, bytes));
}

}  // namespace still::testing
