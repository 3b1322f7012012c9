// still checkpoint: looks into the checkpoints of a job.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "cli/registration.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "common/storage/checkpoint.h"
#include "common/storage/files.h"

namespace still::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string path;
  bool json = false;
};

Status WrongPath(const std::string& path, std::string_view problem) {
  return Error(Exists(path) ? Code::kInvalidArgument : Code::kNotFound,
               "{} {}; name <artifacts>/checkpoints/<digest> for the checkpoints of a job, or one checkpoint in it, "
               "step-NNNNNNNN.g<generation> (`still run PIPELINE --check` shows the digests of teacher and student)",
               path, problem);
}

Status CheckDirectory(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return Ok();
  return WrongPath(path, Exists(path) ? "is not a directory" : "does not exist");
}

// Returns the newest checkpoint that has its manifest, and names it on stderr. A checkpoint without one is being
// written, or its process died.
Result<std::string> NewestWithManifest(const std::string& directory, const std::vector<std::string>& newest_first) {
  for (const std::string& path : newest_first) {
    if (!Exists(JoinPath(path, kManifestFile))) continue;
    fmt::print(stderr, "still: newest checkpoint with a manifest: {}\n", path);
    return path;
  }
  return Error(Code::kNotFound, "none of the {} checkpoints in {} has a {}: they were not published",
               newest_first.size(), directory, kManifestFile);
}

// Returns `path` if it is a checkpoint, or the newest one in it if it is the directory of a job's checkpoints. Any
// other path is INVALID_ARGUMENT. NOT_FOUND: the path or a file in it is missing.
Result<std::string> ResolveCheckpoint(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();  // completed by a shell
  STILL_RETURN_IF_ERROR(CheckDirectory(path));
  if (Exists(JoinPath(path, kManifestFile))) return path;
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> inside, ListCheckpoints(path));
  if (!inside.empty()) return NewestWithManifest(path, inside);
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  const auto is_part = [](const std::string& name) { return name.starts_with("part-"); };
  if (!fs::path(path).filename().string().starts_with("step-") && std::ranges::none_of(names, is_part))
    return WrongPath(path, "is neither a checkpoint nor the directory of a job's checkpoints");
  return Error(Code::kNotFound,
               "{} has no {}: it was never published, or the file was removed; name another checkpoint", path,
               kManifestFile);
}

// Parses "step-00000100.g3", a name that ListCheckpoints returned.
std::pair<std::uint64_t, std::uint64_t> StepAndGeneration(const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::size_t begin = std::string_view("step-").size();
  return {std::stoull(name.substr(begin, dot - begin)), std::stoull(name.substr(dot + 2))};
}

Status PrintList(const Options& options) {
  STILL_RETURN_IF_ERROR(CheckDirectory(options.path));
  if (Exists(JoinPath(options.path, kManifestFile)))
    return WrongPath(options.path, "is one checkpoint, not the directory of a job's checkpoints");
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> paths, ListCheckpoints(options.path));
  if (paths.empty()) return WrongPath(options.path, "holds no checkpoint");
  Table table(
      {{"STEP", Align::kRight}, {"GENERATION", Align::kRight}, {"SIZE", Align::kRight}, {"MANIFEST"}, {"NAME"}});
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    const auto files = ListFilesRecursively(path);
    if (!files.ok()) continue;  // a live run has removed it meanwhile
    std::uint64_t bytes = 0;
    for (const std::string& file : *files) {
      const auto size = FileSize(file);
      if (size.ok()) bytes += *size;
    }
    const Status read = ReadManifest(path).status();
    const char* manifest = read.ok() ? "yes" : read.code() == Code::kNotFound ? "no" : "damaged";
    const std::string name = fs::path(path).filename();
    const auto [step, generation] = StepAndGeneration(name);
    list.push_back(
        {{"step", step}, {"generation", generation}, {"bytes", bytes}, {"manifest", manifest}, {"path", path}});
    table.Add({WithThousands(step), fmt::to_string(generation),
               fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6), manifest, name});
  }
  Print(options.json ? nlohmann::ordered_json{{"checkpoints", list}}.dump(2) + "\n" : table.Text());
  return Ok();
}

// Reads every byte and compares it with the manifest. Damage is DATA_LOSS.
Status Verify(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const std::string checkpoint, ResolveCheckpoint(options.path));
  STILL_ASSIGN_OR_RETURN(const v1::CheckpointManifest manifest, ReadManifest(checkpoint));
  STILL_RETURN_IF_ERROR(VerifyParts(checkpoint, manifest));
  if (manifest.parts().empty()) return Error(Code::kDataLoss, "{}: its {} names no part", checkpoint, kManifestFile);
  std::uint64_t bytes = 0;
  for (const v1::CheckpointPart& part : manifest.parts()) bytes += part.size();
  fmt::print("{}: step {}, generation {}: {} bytes in {} parts, all as the manifest says\n", checkpoint,
             WithThousands(manifest.info().step()), manifest.info().generation(), WithThousands(bytes),
             manifest.parts_size());
  return Ok();
}

// Prints the hash alone on its line, for scripts.
Status PrintHash(const Options& options) {
  STILL_ASSIGN_OR_RETURN(const std::string checkpoint, ResolveCheckpoint(options.path));
  STILL_ASSIGN_OR_RETURN(const std::string hash, CheckpointHash(checkpoint));
  Print(hash + "\n");
  return Ok();
}

void AddTo(CLI::App& app, Action& action) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Look into checkpoints")->require_subcommand(1);
  const auto [list, options] =
      AddCommand(*checkpoint, "list", "List the checkpoints of a job, newest first", action, &PrintList);
  AddOption(list, "directory", options.path, "DIR", "Checkpoints of a job: <artifacts>/checkpoints/<digest>")
      ->required();
  AddJsonFlag(list, options.json);
  const auto add = [&](const char* verb, const char* help, Status (*run)(const Options&)) {
    const auto [command, parsed] = AddCommand(*checkpoint, verb, help, action, run);
    AddOption(command, "path", parsed.path, "PATH",
              "A checkpoint, or <artifacts>/checkpoints/<digest> for its newest one")
        ->required();
  };
  add("verify", "Check every byte against the manifest", &Verify);
  add("hash", "Print the SHA-256 over names, shapes and bytes of weights and optimizer state", &PrintHash);
}

const Registration kRegistration(/*place=*/150, &AddTo);

}  // namespace
}  // namespace still::cli
