// Compresses bytes as bzip2 does, for tests that need a dump.
#pragma once

#include <bzlib.h>
#include <gtest/gtest.h>

#include <string>

namespace still::testing {

// Returns one bzip2 stream with blocks of `level` times 100,000 bytes.
inline std::string Compressed(std::string bytes, int level = 1) {
  std::string out(bytes.size() + bytes.size() / 50 + 700, '\0');
  auto size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, bytes.data(), static_cast<unsigned>(bytes.size()), level, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

}  // namespace still::testing
