// still: the one command people type.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <system_error>

#include "cli/checkpoint_command.h"
#include "cli/inspect_command.h"
#include "cli/run_command.h"
#include "common/status.h"

namespace still::cli {
namespace {

constexpr const char* kExamples = R"(
examples
  still run configs/demo.yaml             plan, run what is missing, show the result
  still run configs/demo.yaml --check     show the plan, run nothing
  still run configs/demo.yaml --until targets
  still corpus cat out/artifacts/corpus/<digest> --count 3
  still checkpoint verify out/artifacts/checkpoints/<digest>

exit codes
  0 done, 2 usage or configuration, 3 input, artifact or storage missing, bad or full, 4 unavailable, 5 cancelled,
  70 a bug)";

constexpr const char* kFaultHelp = R"(for tests: make a process fail at a named place; may be repeated
SPEC = <rank>:<step>:<point>:<kind>[@<launch>], for example 1:4:vote:kill
  rank    of the worker, or * for any process
  step    in progress (outside of training the how-manieth pass of the point), or * for every one
  point   compute, reduce, vote, optimizer, snapshot, write, fsync, rename, publish, shutdown, ...
  kind    kill, stop, delay<ms>, error, enospc, torn, nan, flip
  launch  the how-manieth mpirun of this run (1 unless given), or *)";

using Action = std::function<Status()>;

void AddRun(CLI::App& app, RunFlags& flags, Action& action) {
  CLI::App* run = app.add_subcommand("run", "Run a pipeline: reuse the artifacts that exist, make the rest");
  run->add_option("pipeline", flags.config_path, "pipeline configuration (YAML)")
      ->required()
      ->type_name("PIPELINE.yaml");
  run->add_option("--ranks", flags.ranks, "worker processes; results do not depend on it")->type_name("N");
  run->add_option("--until", flags.until, "end after this stage: corpus, teacher, targets, train, evaluate")
      ->type_name("STAGE");
  run->add_flag("--json", flags.json, "one JSON object on stdout instead of text");
  run->add_flag("--check", flags.check, "check configuration and inputs, print the plan, run nothing");
  run->add_option("--fault", flags.faults, kFaultHelp)->type_name("SPEC")->allow_extra_args(false);
  run->callback([&] { action = [&] { return RunPipelineCommand(flags); }; });
}

struct InspectFlags {
  std::string directory;
  bool json = false;
};

CLI::App* AddVerb(CLI::App* noun, const std::string& verb, const std::string& help, std::string& directory) {
  CLI::App* command = noun->add_subcommand(verb, help);
  command->add_option("directory", directory, "<artifacts>/" + noun->get_name() + "/<digest>")
      ->required()
      ->type_name("DIR");
  return command;
}

void AddCorpus(CLI::App& app, InspectFlags& flags, CatFlags& cat_flags, Action& action) {
  CLI::App* corpus = app.add_subcommand("corpus", "Look into a corpus artifact")->require_subcommand(1);
  CLI::App* stat = AddVerb(corpus, "stat", "Print what was counted while it was built", flags.directory);
  stat->add_flag("--json", flags.json, "as one JSON object");
  stat->callback([&] { action = [&] { return PrintStat(flags.directory, "corpus", flags.json); }; });
  CLI::App* verify = AddVerb(corpus, "verify", "Check every byte against its checksums", flags.directory);
  verify->callback([&] { action = [&] { return VerifyCorpusCommand(flags.directory); }; });
  CLI::App* cat = AddVerb(corpus, "cat", "Print sequences as text, one a line", cat_flags.directory);
  cat->add_flag("--heldout", cat_flags.heldout, "of the held-out split instead of the training split");
  cat->add_option("--first", cat_flags.first, "index of the first sequence")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  cat->add_option("--count", cat_flags.count, "how many")->check(CLI::NonNegativeNumber)->capture_default_str();
  cat->callback([&] { action = [&] { return CatCorpusCommand(cat_flags); }; });
}

void AddTargets(CLI::App& app, InspectFlags& flags, Action& action) {
  CLI::App* targets = app.add_subcommand("targets", "Look into a target cache")->require_subcommand(1);
  CLI::App* stat = AddVerb(targets, "stat", "Print what was counted while it was made", flags.directory);
  stat->add_flag("--json", flags.json, "as one JSON object");
  stat->callback([&] { action = [&] { return PrintStat(flags.directory, "targets", flags.json); }; });
  CLI::App* verify = AddVerb(targets, "verify", "Read every record and check it", flags.directory);
  verify->callback([&] { action = [&] { return VerifyTargetsCommand(flags.directory); }; });
}

void AddCheckpoint(CLI::App& app, InspectFlags& flags, Action& action) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Look into checkpoints")->require_subcommand(1);
  CLI::App* list = checkpoint->add_subcommand("list", "List the checkpoints of a job, newest first");
  list->add_option("directory", flags.directory, "<artifacts>/checkpoints/<digest>")->required()->type_name("DIR");
  list->add_flag("--json", flags.json, "as one JSON object");
  list->callback([&] { action = [&] { return ListCheckpointsCommand(flags.directory, flags.json); }; });
  const auto add = [&](const char* verb, const char* help, Status (*command)(const std::string&)) {
    CLI::App* added = checkpoint->add_subcommand(verb, help);
    added->add_option("path", flags.directory, "a checkpoint, or <artifacts>/checkpoints/<digest> for its newest one")
        ->required()
        ->type_name("PATH");
    added->callback([&flags, &action, command] { action = [&flags, command] { return command(flags.directory); }; });
  };
  add("verify", "Check every byte against the manifest", &VerifyCheckpointCommand);
  add("hash", "Print the SHA-256 over names, shapes and bytes of weights and optimizer state", &HashCheckpointCommand);
}

int Main(int argc, char** argv) {
  CLI::App app("Stillhouse distils BERT-family language models.", "still");
  app.footer(kExamples);
  app.set_version_flag("--version", "still " STILLHOUSE_VERSION);
  RunFlags run_flags;
  InspectFlags inspect_flags;
  CatFlags cat_flags;
  Action action;
  AddRun(app, run_flags, action);
  AddCorpus(app, inspect_flags, cat_flags, action);
  AddTargets(app, inspect_flags, action);
  AddCheckpoint(app, inspect_flags, action);
  app.add_subcommand("version", "Print the version")->callback([&] {
    action = [] {
      std::puts("still " STILLHOUSE_VERSION);
      return Ok();
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const Status usage = Error(Code::kInvalidArgument, "{} (still --help shows the usage)", error.what());
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
