// How a command enters `still`. Each <name>_command.cc holds one command or one small family: its options, its help and
// its work. main.cc calls the functions below, in the order in which `still --help` lists the commands.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "cli/connection.h"
#include "common/status.h"

namespace still::cli {

// The work of the command that was parsed. It runs after all arguments are parsed.
using Action = std::function<Status()>;

void RegisterRunCommand(CLI::App& app, Action& action);
void RegisterSubmitCommand(CLI::App& app, Action& action);
void RegisterViewCommands(CLI::App& app, Action& action);  // queue, show, why, history, nodes
void RegisterEventsCommand(CLI::App& app, Action& action);
void RegisterTopCommand(CLI::App& app, Action& action);
void RegisterLogsCommand(CLI::App& app, Action& action);
void RegisterChangeJobsCommands(CLI::App& app, Action& action);  // cancel, hold, release, requeue, priority
void RegisterReportCommand(CLI::App& app, Action& action);
void RegisterDrainCommands(CLI::App& app, Action& action);  // drain, undrain
void RegisterServeCommand(CLI::App& app, Action& action);
void RegisterKeysCommand(CLI::App& app, Action& action);
void RegisterAgentCommand(CLI::App& app, Action& action);
void RegisterCorpusCommand(CLI::App& app, Action& action);
void RegisterTargetsCommand(CLI::App& app, Action& action);
void RegisterCheckpointCommand(CLI::App& app, Action& action);

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

// Adds an option, or an argument when `name` begins with no '-'. The help calls its value `type`.
template <typename Value>
CLI::Option* AddOption(CLI::App* command, const char* name, Value& value, const char* type, const std::string& help) {
  return command->add_option(name, value, help)->type_name(type);
}

// Adds the argument JOB, which FindJob understands.
inline CLI::Option* AddJobArgument(CLI::App* command, std::string& job) {
  return AddOption(command, "job", job, "JOB", "Id of the job, its name, or the end of its name");
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

// Refuses a negative number, which CLI11 would turn into a large unsigned one.
inline CLI::Validator WholeNumber() {
  const auto check = [](std::string& text) -> std::string {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return digits ? "" : "'" + text + "' is not a whole number; give 0 or more";
  };
  return {check, ""};
}

}  // namespace still::cli
