// What CLI11 does not check by itself: it takes "-1" for a large number of 64 bits.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace still::cli {

inline CLI::Validator WholeNumber() {
  const auto check = [](std::string& text) -> std::string {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return digits ? "" : "'" + text + "' is not a whole number from 0 on";
  };
  return {check, ""};
}

}  // namespace still::cli
