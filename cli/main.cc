// still: the one command people type.
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

constexpr const char* kExamples = R"(
examples
  still run configs/demo.yaml             plan, run what is missing, show the result
  still run configs/demo.yaml --check     show the plan, run nothing
  still run configs/demo.yaml --until targets
  still submit configs/ablation.yaml      give a sweep to the coordinator (`still serve`)
  still queue; still why train; still logs -f no-mlm/train; still top
  still report configs/ablation.yaml      compare its students
  still corpus cat out/artifacts/corpus/<digest> --count 3
  still checkpoint verify out/artifacts/checkpoints/<digest>

which coordinator
  Options beat the environment. Where it listens: --coordinator, else as --state says, else $STILL_COORDINATOR, else as
  $STILL_STATE says, else ~/.local/state/stillhouse. Its keys: --keys, else those of --state, else $STILL_KEYS, else
  those of $STILL_STATE, else of ~/.local/state/stillhouse.

exit codes
  0 done, 2 usage or configuration, 3 input, artifact or storage missing, bad or full, 4 unavailable, 5 cancelled,
  or a time limit is over, 70 a bug)";

// "still run": the command whose options were being read.
std::string CommandOf(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return app.get_name() + (parsed.empty() ? "" : " " + CommandOf(*parsed.front()));
}

// The first word that is no command, where one was expected; ok when the arguments (the first one last) are otherwise
// wrong.
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
      return Error(Code::kInvalidArgument, "no command '{} {}'; {}", path, Escaped(*word),
                   nearest.empty() ? fmt::format("{} --help lists what there is", path)
                                   : fmt::format("did you mean '{} {}'?", path, nearest));
    }
    command = next;
    path += " " + next->get_name();
  }
  return Ok();
}

// CLI11 says "Could not convert: --ranks = two".
std::string Reworded(std::string what) {
  constexpr std::string_view kConversion = "Could not convert: ", kEquals = " = ";
  const std::size_t equals = what.rfind(kEquals);
  if (!what.starts_with(kConversion) || equals == std::string::npos) return what;
  return fmt::format("{}: '{}' is not a number that it takes",
                     what.substr(kConversion.size(), equals - kConversion.size()),
                     what.substr(equals + kEquals.size()));
}

int Main(int argc, char** argv) {
  CLI::App app("Stillhouse distils BERT-family language models.", "still");
  app.set_version_flag("--version", "still " STILLHOUSE_VERSION);
  Action action;
  RegisterRun(app, action);
  RegisterJobs(app, action);
  RegisterHosts(app, action);
  RegisterServe(app, action);
  RegisterArtifacts(app, action);
  app.add_subcommand("version", "Print the version")->callback([&] {
    action = [] {
      std::puts("still " STILLHOUSE_VERSION);
      return Ok();
    };
  });
  app.footer(kExamples);  // after them, which would inherit it
  // By the name of the daemon, it is the daemon.
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (std::string_view(argv[0]).ends_with("stilld")) arguments.insert(arguments.begin(), "serve");
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    if (const Status commands = CheckCommands(app, arguments); !commands.ok()) {
      fmt::print(stderr, "still: error: {}\n", commands.message());
      return ExitCode(commands);
    }
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const Status usage = Error(Code::kInvalidArgument, "{} ({} --help shows the usage)",
                               Escaped(Reworded(error.what())), CommandOf(app));
    fmt::print(stderr, "still: error: {}\n", usage.message());
    return ExitCode(usage);
  }
  if (!action) {
    std::fputs(app.help().c_str(), stderr);
    return ExitCode(Status(Code::kInvalidArgument, "no command"));
  }
  Status status = action();
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0))
    status = Error(Code::kResourceExhausted, "cannot write all of standard output; free space where it goes");
  if (!status.ok()) fmt::print(stderr, "still: error: {}\n", status.message());
  return ExitCode(status);
}

}  // namespace
}  // namespace still::cli

int main(int argc, char** argv) {
  try {
    return still::cli::Main(argc, argv);
  } catch (const std::system_error& error) {  // fmt::print on a full disk
    std::fprintf(stderr, "still: error: %s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "still: error: %s; this is a bug\n", error.what());
    return 70;
  }
}
