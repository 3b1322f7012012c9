#include "cli/checkpoint_command.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/text.h"
#include "common/storage/checkpoint.h"
#include "common/storage/files.h"

namespace still::cli {
namespace {

namespace fs = std::filesystem;

Status NotACheckpoint(const std::string& path, std::string_view problem) {
  return Error(Code::kInvalidArgument,
               "{} {}; name a checkpoint, <artifacts>/checkpoints/<digest>/step-NNNNNNNN.g<generation>, for example "
               "out/artifacts/checkpoints/0f3c.../step-00000100.g1, or that <digest> directory for the newest one",
               path, problem);
}

bool IsDirectory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The checkpoints of a job; INVALID_ARGUMENT when there is none.
Result<std::vector<std::string>> CheckpointsOfJob(const std::string& directory) {
  const auto wrong = [&](std::string_view problem) {
    return Error(
        Code::kInvalidArgument,
        "{} {}; name <artifacts>/checkpoints/<digest>, for example out/artifacts/checkpoints/0f3c... (the digest "
        "of the student or teacher, in `still run PIPELINE --check`)",
        directory, problem);
  };
  if (!Exists(directory)) return wrong("does not exist");
  if (!IsDirectory(directory)) return wrong("is no directory");
  if (Exists(JoinPath(directory, kManifestFile))) return wrong("is one checkpoint, not the directory of a job's");
  STILL_ASSIGN_OR_RETURN(std::vector<std::string> paths, ListCheckpoints(directory));
  if (paths.empty()) return wrong("has no checkpoint in it");
  return paths;
}

// The newest one whose manifest is there. One without is being written, or was when its process died.
Result<std::string> NewestWithManifest(const std::string& directory, const std::vector<std::string>& newest_first) {
  for (const std::string& path : newest_first) {
    if (!Exists(JoinPath(path, kManifestFile))) continue;
    fmt::print(stderr, "still: newest checkpoint with a manifest: {}\n", path);
    return path;
  }
  return Error(Code::kNotFound, "none of the {} checkpoints in {} has a {}: they were not published",
               newest_first.size(), directory, kManifestFile);
}

Result<std::string> ResolveCheckpoint(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();  // a shell's completion
  if (!Exists(path)) return NotACheckpoint(path, "does not exist");
  if (!IsDirectory(path)) return NotACheckpoint(path, "is a file");
  if (Exists(JoinPath(path, kManifestFile))) return path;
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> inside, ListCheckpoints(path));
  if (!inside.empty()) return NewestWithManifest(path, inside);
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectory(path));
  const auto is_part = [](const std::string& name) { return name.starts_with("part-"); };
  if (!fs::path(path).filename().string().starts_with("step-") && std::ranges::none_of(names, is_part))
    return NotACheckpoint(path, "is neither a checkpoint nor the directory of a job's checkpoints");
  return Error(Code::kNotFound, "{} has no {}: it was never published, or the file was removed; take another one", path,
               kManifestFile);
}

struct Row {
  std::string path;
  std::string name;
  std::uint64_t bytes = 0;
  std::string manifest;  // yes, no, damaged
};

// Nothing when it vanished meanwhile: a run that goes on removes old ones.
std::optional<Row> LookInto(const std::string& path) {
  Row row{.path = path, .name = fs::path(path).filename().string()};
  const auto files = ListFilesRecursively(path);
  if (!files.ok()) return std::nullopt;
  for (const std::string& file : *files) {
    const auto size = FileSize(file);
    if (size.ok()) row.bytes += *size;
  }
  const auto manifest = ReadManifest(path);
  row.manifest = manifest.ok() ? "yes" : manifest.status().code() == Code::kNotFound ? "no" : "damaged";
  return row;
}

// Step and generation out of "step-00000100.g3", as ListCheckpoints found it.
std::pair<std::uint64_t, std::uint64_t> StepAndGeneration(const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::size_t begin = std::string_view("step-").size();
  return {std::stoull(name.substr(begin, dot - begin)), std::stoull(name.substr(dot + 2))};
}

}  // namespace

Status ListCheckpointsCommand(const std::string& directory, bool json) {
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> paths, CheckpointsOfJob(directory));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  if (!json) fmt::print("{:>12} {:>10} {:>12}  {:<9} {}\n", "step", "generation", "size", "manifest", "name");
  for (const std::string& path : paths) {
    const std::optional<Row> row = LookInto(path);
    if (!row) continue;
    const auto [step, generation] = StepAndGeneration(row->name);
    if (json) {
      list.push_back({{"step", step},
                      {"generation", generation},
                      {"bytes", row->bytes},
                      {"manifest", row->manifest},
                      {"path", row->path}});
    } else {
      fmt::print("{:>12} {:>10} {:>9.1f} MB  {:<9} {}\n", WithThousands(step), generation,
                 static_cast<double>(row->bytes) / 1e6, row->manifest, row->name);
    }
  }
  if (json) fmt::print("{}\n", nlohmann::ordered_json{{"checkpoints", list}}.dump(2));
  return Ok();
}

Status VerifyCheckpointCommand(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string checkpoint, ResolveCheckpoint(path));
  STILL_ASSIGN_OR_RETURN(const CheckpointManifest manifest, ReadManifest(checkpoint));
  STILL_RETURN_IF_ERROR(VerifyParts(checkpoint, manifest));
  if (manifest.parts.empty()) return Error(Code::kDataLoss, "{}: its {} names no part", checkpoint, kManifestFile);
  std::uint64_t bytes = 0;
  for (const CheckpointPart& part : manifest.parts) bytes += part.size;
  fmt::print("{}: step {}, generation {}: {} bytes in {} parts, every byte as it was written\n", checkpoint,
             WithThousands(manifest.info.step), manifest.info.generation, WithThousands(bytes), manifest.parts.size());
  return Ok();
}

Status HashCheckpointCommand(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string checkpoint, ResolveCheckpoint(path));
  STILL_ASSIGN_OR_RETURN(const std::string hash, CheckpointHash(checkpoint));
  fmt::print("{}\n", hash);
  return Ok();
}

}  // namespace still::cli
