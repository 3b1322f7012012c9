// still: parses the command line and runs one command.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/registration.h"
#include "cli/text.h"
#include "common/nearest_name.h"
#include "common/status.h"

namespace still::cli {
namespace {

constexpr const char* kFooter = R"(
examples
  still run configs/demo.yaml             make the missing artifacts of a pipeline and show the result
  still run configs/demo.yaml --check     show the plan and run nothing
  still run configs/demo.yaml --until targets
  still submit configs/ablation.yaml      give a sweep to the coordinator (`still serve`)
  still queue; still why train; still logs -f no-mlm/train; still top
  still report configs/ablation.yaml      compare the students of a sweep
  still corpus cat out/artifacts/corpus/<digest> --count 3
  still checkpoint verify out/artifacts/checkpoints/<digest>

which coordinator
  Options beat the environment. The endpoint is --coordinator, else the one in the directory --state, else
  $STILL_COORDINATOR, else the one in $STILL_STATE, else the one in ~/.local/state/stillhouse. The keys are --keys,
  else those in --state, else $STILL_KEYS, else those in $STILL_STATE, else those in ~/.local/state/stillhouse.

exit codes
  0   done
  2   wrong usage or configuration
  3   a path that was named, an input, an artifact or the storage is missing, damaged or full
  4   something is unavailable, such as the coordinator
  5   cancelled, or over a time limit
  70  a bug)";

// Returns "still run" when the options of `still run` were being parsed.
std::string CommandOf(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return app.get_name() + (parsed.empty() ? "" : " " + CommandOf(*parsed.front()));
}

const CLI::App& ParsedCommand(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return parsed.empty() ? app : ParsedCommand(*parsed.front());
}

// Returns "; did you mean '--ranks'?" when an option of `command` is near to the first unknown one that has such a
// neighbour, else "".
std::string NearestOption(const CLI::App& command) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const std::string& word : command.remaining()) {
    if (!word.starts_with("--") || word.size() == 2) continue;
    const std::string nearest = NearestName(word.substr(0, word.find('=')), known);
    if (!nearest.empty()) return fmt::format("; did you mean '{}'?", nearest);
  }
  return "";
}

// Returns what is wrong with the usage. CLI11 calls a missing argument by another word than the help does, and does not
// know near options.
std::string UsageProblem(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = ParsedCommand(app);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) return Escaped(error.what()) + NearestOption(command);
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_required() && option->get_positional() && option->count() == 0)
        return option->get_type_name() + " is required";
    }
  }
  return Escaped(error.what());
}

// Refuses the first word that stands where a command must stand and is none, and names the nearest command. CLI11 would
// only call it unexpected. The arguments come in reverse order.
Status CheckCommands(const CLI::App& app, const std::vector<std::string>& reversed) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  for (auto word = reversed.rbegin(); word != reversed.rend() && !word->starts_with('-'); ++word) {
    std::vector<std::string> known;
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : command->get_subcommands([](const CLI::App*) { return true; })) {
      if (!sub->get_group().empty()) known.push_back(sub->get_name());
      if (sub->get_name() == *word) next = sub;
    }
    if (next == nullptr && known.empty()) return Ok();
    if (next == nullptr) {
      const std::string nearest = NearestName(*word, known);
      return Error(Code::kInvalidArgument, "there is no command '{} {}'; {}", path, Escaped(*word),
                   nearest.empty() ? fmt::format("`{} --help` lists the commands", path)
                                   : fmt::format("did you mean '{} {}'?", path, nearest));
    }
    command = next;
    path += " " + next->get_name();
  }
  return Ok();
}

void AddCommands(CLI::App& app, Action& action) {
  for (const auto& [place, add_to] : Registration::All()) add_to(app, action);
  app.add_subcommand("version", "Print the version")->callback([&action] {
    action = [] {
      std::puts("still " STILLHOUSE_VERSION);
      return Ok();
    };
  });
  app.footer(kFooter);  // after the commands, which would inherit it
}

// Returns the arguments in reverse order, as CLI11 takes them. `stilld` is `still serve`.
std::vector<std::string> ArgumentsReversed(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (std::string_view(argv[0]).ends_with("stilld")) arguments.insert(arguments.begin(), "serve");
  std::ranges::reverse(arguments);
  return arguments;
}

int Main(int argc, char** argv) {
  CLI::App app("Stillhouse distils BERT-family language models.", "still");
  app.set_version_flag("--version", "still " STILLHOUSE_VERSION);
  Action action;
  AddCommands(app, action);
  try {
    std::vector<std::string> arguments = ArgumentsReversed(argc, argv);
    if (const Status commands = CheckCommands(app, arguments); !commands.ok()) {
      fmt::print(stderr, "still: error: {}\n", commands.message());
      return ExitCode(commands);
    }
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const Status usage =
        Error(Code::kInvalidArgument, "{} (`{} --help` shows the usage)", UsageProblem(app, error), CommandOf(app));
    fmt::print(stderr, "still: error: {}\n", usage.message());
    return ExitCode(usage);
  }
  if (!action) {
    std::fputs(app.help().c_str(), stderr);
    return ExitCode(Status(Code::kInvalidArgument, "no command"));
  }
  Status status = action();
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0))
    status = Error(Code::kResourceExhausted, "cannot write all of standard output; free space on its disk");
  if (!status.ok()) fmt::print(stderr, "still: error: {}\n", status.message());
  return ExitCode(status);
}

}  // namespace
}  // namespace still::cli

int main(int argc, char** argv) {
  try {
    return still::cli::Main(argc, argv);
  } catch (const std::system_error& error) {  // from fmt::print on a full disk
    std::fprintf(stderr, "still: error: %s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "still: error: %s; this is a bug\n", error.what());
    return 70;
  }
}
