#include <CLI/CLI.hpp>
#include <memory>

#include "cli/checkpoint_command.h"
#include "cli/inspect_command.h"
#include "cli/number_check.h"
#include "cli/registration.h"

namespace still::cli {
namespace {

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

CLI::App* AddStat(CLI::App* noun, const std::string& help, Action& action) {
  const auto flags = std::make_shared<InspectFlags>();
  CLI::App* stat = AddVerb(noun, "stat", help, flags->directory);
  stat->add_flag("--json", flags->json, "as one JSON object");
  stat->callback([flags, &action, kind = noun->get_name()] {
    action = [flags, kind] { return PrintStat(flags->directory, kind, flags->json); };
  });
  return stat;
}

void AddVerify(CLI::App* noun, const std::string& help, Status (*command)(const std::string&), Action& action) {
  const auto flags = std::make_shared<InspectFlags>();
  AddVerb(noun, "verify", help, flags->directory)->callback([flags, &action, command] {
    action = [flags, command] { return command(flags->directory); };
  });
}

void AddCat(CLI::App* corpus, Action& action) {
  const auto flags = std::make_shared<CatFlags>();
  CLI::App* cat = AddVerb(corpus, "cat", "Print sequences as text, one a line", flags->directory);
  cat->add_flag("--heldout", flags->heldout, "of the held-out split instead of the training split");
  cat->add_option("--first", flags->first, "index of the first sequence")->check(WholeNumber())->capture_default_str();
  cat->add_option("--count", flags->count, "how many")->check(WholeNumber())->capture_default_str();
  cat->callback([flags, &action] { action = [flags] { return CatCorpusCommand(*flags); }; });
}

void AddCheckpoint(CLI::App& app, Action& action) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Look into checkpoints")->require_subcommand(1);
  const auto flags = std::make_shared<InspectFlags>();
  CLI::App* list = checkpoint->add_subcommand("list", "List the checkpoints of a job, newest first");
  list->add_option("directory", flags->directory, "<artifacts>/checkpoints/<digest>")->required()->type_name("DIR");
  list->add_flag("--json", flags->json, "as one JSON object");
  list->callback(
      [flags, &action] { action = [flags] { return ListCheckpointsCommand(flags->directory, flags->json); }; });
  const auto add = [&](const char* verb, const char* help, Status (*command)(const std::string&)) {
    CLI::App* added = checkpoint->add_subcommand(verb, help);
    added->add_option("path", flags->directory, "a checkpoint, or <artifacts>/checkpoints/<digest> for its newest one")
        ->required()
        ->type_name("PATH");
    added->callback([flags, &action, command] { action = [flags, command] { return command(flags->directory); }; });
  };
  add("verify", "Check every byte against the manifest", &VerifyCheckpointCommand);
  add("hash", "Print the SHA-256 over names, shapes and bytes of weights and optimizer state", &HashCheckpointCommand);
}

}  // namespace

void RegisterArtifacts(CLI::App& app, Action& action) {
  CLI::App* corpus = app.add_subcommand("corpus", "Look into a corpus artifact")->require_subcommand(1);
  AddStat(corpus, "Print what was counted while it was built", action);
  AddVerify(corpus, "Check every byte against its checksums", &VerifyCorpusCommand, action);
  AddCat(corpus, action);
  CLI::App* targets = app.add_subcommand("targets", "Look into a target cache")->require_subcommand(1);
  AddStat(targets, "Print what was counted while it was made", action);
  AddVerify(targets, "Read every record and check it", &VerifyTargetsCommand, action);
  AddCheckpoint(app, action);
}

}  // namespace still::cli
