#include <CLI/CLI.hpp>
#include <memory>

#include "cli/registration.h"
#include "cli/run_command.h"

namespace still::cli {
namespace {

constexpr const char* kFaultHelp = R"(for tests: make a process fail at a named place; may be repeated
SPEC = <rank>:<step>:<point>:<kind>[@<launch>], for example 1:4:vote:kill
  rank    of the worker, or * for any process
  step    in progress (outside of training the how-manieth pass of the point), or * for every one
  point   compute, reduce, vote, optimizer, snapshot, write, fsync, rename, publish, shutdown, ... (docs/recovery.md)
  kind    kill, stop, delay<ms>, error, enospc, torn, nan, flip
  launch  the how-manieth mpirun of this run (1 unless given), or *)";

}  // namespace

void RegisterRun(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<RunFlags>();
  CLI::App* run = app.add_subcommand("run", "Run a pipeline: reuse the artifacts that exist, make the rest");
  run->add_option("pipeline", flags->config_path, "pipeline configuration (YAML)")
      ->required()
      ->type_name("PIPELINE.yaml");
  run->add_option("--ranks", flags->ranks, "worker processes; results do not depend on it")->type_name("N");
  run->add_option("--until", flags->until, "end after this stage: corpus, teacher, targets, train, evaluate, export")
      ->type_name("STAGE");
  run->add_flag("--json", flags->json, "one JSON object on stdout instead of text");
  run->add_flag("--check", flags->check,
                "check configuration and inputs, and whether this machine has the cores; print the plan, run nothing");
  run->add_option("--fault", flags->faults, kFaultHelp)->type_name("SPEC")->allow_extra_args(false);
  run->callback([flags, &action] { action = [flags] { return RunPipelineCommand(*flags); }; });
}

}  // namespace still::cli
