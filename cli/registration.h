// Enters commands into `still`. Each <name>_command.cc holds one command or one small family: its options, its help,
// its work and its Registration. A new command is such a file and its line in CMakeLists.txt.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "cli/connection.h"
#include "common/check.h"
#include "common/config/pipeline_config.h"
#include "common/status.h"

namespace still::cli {

// The work of the command that was parsed. It runs after all arguments are parsed.
using Action = std::function<Status()>;

// Enters a command into `still` before main begins. Each <name>_command.cc defines one at namespace scope.
class Registration {
 public:
  using AddTo = void (*)(CLI::App& app, Action& action);

  // Calls `add_to` at the command's place among all places, which is where `still --help` lists the command.
  Registration(int place, AddTo add_to) {
    STILL_CHECK(All().emplace(place, add_to).second, fmt::format("two commands have place {}", place));
  }
  // Returns all registered commands by their places.
  static std::map<int, AddTo>& All() {
    static std::map<int, AddTo> all;
    return all;
  }
};

// Adds a command that makes `run` the action when it is parsed. Returns it with the options that CLI11 fills and `run`
// receives. They live as long as the command or the action, whichever ends last.
template <typename Options>
std::pair<CLI::App*, Options&> AddCommand(CLI::App& parent, const std::string& name, const std::string& help,
                                          Action& action, Status (*run)(const Options&),
                                          std::type_identity_t<Options> defaults = {}) {
  const auto options = std::make_shared<Options>(std::move(defaults));
  CLI::App* command = parent.add_subcommand(name, help);
  command->callback([options, &action, run] { action = [options, run] { return run(*options); }; });
  return {command, *options};
}

// Refuses text that is no decimal number from `least` to `most`. The message names no bound that only the type has,
// unless the type is as narrow as a port's. CLI11 alone would turn -1 into a large unsigned number and 010 into 8.
template <typename Number>
CLI::Validator DecimalNumber(Number least = std::numeric_limits<Number>::min(),
                             Number most = std::numeric_limits<Number>::max()) {
  const auto check = [least, most](std::string& text) -> std::string {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool bounded = sizeof(Number) <= 2 || most != std::numeric_limits<Number>::max();
    if (error == std::errc::result_out_of_range && !bounded) return fmt::format("'{}' is out of range", text);
    if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
      return bounded      ? fmt::format("'{}' is not a whole number from {} to {}", text, least, most)
             : least == 0 ? fmt::format("'{}' is not a whole number, 0 or more", text)
                          : fmt::format("'{}' is not a whole number", text);
    text = fmt::to_string(number);
    return "";
  };
  return {check, ""};
}

// Adds an option, or an argument when `name` begins with no '-'. The help calls its value `type`. The value may be a
// std::optional.
template <typename Value>
CLI::Option* AddOption(CLI::App* command, const char* name, Value& value, const char* type, const std::string& help) {
  using Plain = typename decltype(std::optional(value))::value_type;
  CLI::Option* option = command->add_option(name, value, help)->type_name(type);
  if constexpr (std::is_integral_v<Plain>) option->transform(DecimalNumber<Plain>());
  return option;
}

// Adds the argument JOB, which FindJob understands.
inline CLI::Option* AddJobArgument(CLI::App* command, std::string& job) {
  return AddOption(command, "job", job, "JOB", "Id of the job, its name, or the end of its name");
}

// Adds --ranks, which takes what the key `ranks` of a configuration takes.
inline void AddRanksOption(CLI::App* command, std::optional<std::uint32_t>& ranks, const std::string& help) {
  AddOption(command, "--ranks", ranks, "N", help)->transform(DecimalNumber<std::uint32_t>(1, kMostRanks));
}

inline void AddJsonFlag(CLI::App* command, bool& json) {
  command->add_flag("--json", json, "Print one JSON object instead of text");
}

// Adds the options of every command that talks to the coordinator.
inline void AddConnectionOptions(CLI::App* command, ConnectionOptions& options) {
  AddOption(command, "--coordinator", options.coordinator, "ENDPOINT",
            "Endpoint of the coordinator, such as tcp://127.0.0.1:5600 (see still --help)");
  AddOption(command, "--state", options.state, "DIR",
            "State directory of the coordinator, which holds its endpoint and its keys (see still --help)");
  AddOption(command, "--keys", options.keys, "DIR", "Directory of the client keys (see still --help)");
}

}  // namespace still::cli
