// The environment variables of our programs. environment.cc holds the one table of them, and the only calls of getenv
// and setenv.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace still {

struct EnvironmentVariable {
  std::string_view name;
  std::string_view meaning;
  std::string_view otherwise;  // what holds when the variable is unset or empty
};

// Returns every variable of ours, sorted by name. A test compares the table with the sources.
std::span<const EnvironmentVariable> EnvironmentVariables();

// Returns the value of a variable, or "" when it is not set. `name` is one of ours or another program's (HOME, PATH).
// A name that begins with STILL_ and is not in the table is a bug. Any thread may call it.
std::string EnvironmentValue(std::string_view name);

// Sets one of our variables for this process and for those that it starts from now on. Call it before the first thread,
// because other threads may read the environment at any time.
void SetEnvironmentValue(std::string_view name, const std::string& value);

}  // namespace still
