// `still corpus` and `still targets` share this: each of their verbs takes the directory of one artifact.
#pragma once

#include <string>
#include <string_view>

#include "cli/registration.h"

namespace still::cli {

// Returns an error, with what to name instead, unless `directory` holds an artifact of this kind. NOT_FOUND: it does
// not exist. INVALID_ARGUMENT: it is something else, which never counts as damage.
Status CheckKind(const std::string& directory, std::string_view kind);

// Adds `noun verb DIR`, which reads DIR into `directory`. The name of `noun` is the kind of the artifact.
void AddDirectory(const CLI::App* noun, CLI::App* verb, std::string& directory);

// Adds `noun stat`, which prints the numbers that the artifact carries.
void AddStatCommand(CLI::App* noun, const char* help, Action& action);

}  // namespace still::cli
