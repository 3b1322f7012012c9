#include "cli/artifact_commands.h"

#include "cli/run_text.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "common/storage/artifact.h"
#include "common/storage/files.h"

namespace still::cli {
namespace {

struct Options {
  std::string kind;
  std::string directory;
  bool json = false;
};

Status PrintStat(const Options& options) {
  STILL_RETURN_IF_ERROR(CheckKind(options.directory, options.kind));
  STILL_ASSIGN_OR_RETURN(const Summary numbers, ReadSummary(options.directory));
  Print(options.json ? NumbersJson(numbers) : NumbersText(numbers));
  return Ok();
}

}  // namespace

Status CheckKind(const std::string& directory, std::string_view kind) {
  // The first line of an artifact's identity names its kind.
  constexpr std::string_view kKindLine = "kind=";
  const Result<std::string> identity = ReadFile(JoinPath(directory, "identity.txt"));
  const std::string found = identity.ok() && identity->starts_with(kKindLine)
                                ? identity->substr(kKindLine.size(), identity->find('\n') - kKindLine.size())
                                : "";
  if (found == kind) return Ok();
  const bool exists = Exists(directory);
  const std::string problem = !exists         ? "does not exist"
                              : found.empty() ? fmt::format("is not a {} artifact", kind)
                                              : fmt::format("is a {} artifact, not a {} artifact", found, kind);
  return Error(exists ? Code::kInvalidArgument : Code::kNotFound,
               "{} {}; name <artifacts>/{}/<digest>, for example out/artifacts/{}/0f3c... (`still run PIPELINE "
               "--check` shows its digest)",
               Escaped(directory), Escaped(problem), kind, kind);
}

void AddDirectory(const CLI::App* noun, CLI::App* verb, std::string& directory) {
  AddOption(verb, "directory", directory, "DIR", "Artifact: <artifacts>/" + noun->get_name() + "/<digest>")->required();
}

void AddStatCommand(CLI::App* noun, const char* help, Action& action) {
  const auto [stat, options] = AddCommand(*noun, "stat", help, action, &PrintStat, {.kind = noun->get_name()});
  AddDirectory(noun, stat, options.directory);
  AddJsonFlag(stat, options.json);
}

}  // namespace still::cli
