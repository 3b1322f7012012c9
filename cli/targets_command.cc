// still targets: looks into a target cache.
#include "cli/artifact_commands.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "shards/targets/target_store.h"

namespace still::cli {
namespace {

struct Options {
  std::string directory;
};

// Reads every record. Returns the first damage.
Status VerifyTargets(const Options& options) {
  STILL_RETURN_IF_ERROR(CheckKind(options.directory, "targets"));
  STILL_ASSIGN_OR_RETURN(const auto targets, shards::TargetSet::Open(options.directory));
  STILL_RETURN_IF_ERROR(targets->Verify());
  Print(fmt::format("{}: {} records in {} shards, all intact\n", options.directory, WithThousands(targets->records()),
                    targets->shards()));
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  CLI::App* targets = app.add_subcommand("targets", "Look into a target cache")->require_subcommand(1);
  AddStatCommand(targets, "Print the numbers counted while it was made", action);
  const auto [verify, options] = AddCommand(*targets, "verify", "Read and check every record", action, &VerifyTargets);
  AddDirectory(targets, verify, options.directory);
}

const Registration kRegistration(/*place=*/140, &AddTo);

}  // namespace
}  // namespace still::cli
