#include "worker/checkpoint/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <tuple>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/files.h"
#include "common/safetensors.h"

namespace still::worker {
namespace {

struct Name {
  std::uint64_t step = 0;
  std::uint64_t generation = 0;
  std::string text;
};

// False for anything that is not exactly a checkpoint's name: leftovers, quarantined ones, other files.
bool ParseName(const std::string& text, Name* name) {
  unsigned long long step = 0;
  unsigned long long generation = 0;
  if (std::sscanf(text.c_str(), "step-%8llu.g%llu", &step, &generation) != 2) return false;
  *name = {step, generation, text};
  return CheckpointPath("", step, generation) == JoinPath("", text);
}

Status CheckFile(const std::string& path, const std::string& sha256) {
  STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256OfFile(path));
  if (Hex(digest) == sha256) return Ok();
  return Error(Code::kDataLoss, "{}: its SHA-256 is {}, its checkpoint.json says {}; the file is damaged", path,
               Hex(digest), sha256);
}

Status HashTensors(const std::string& path, Sha256* hash) {
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  for (const auto& [name, tensor] : file.tensors()) {
    hash->Update(fmt::format("{} {} [{}]\n", name, tensor.dtype, fmt::join(tensor.shape, ",")));
    hash->Update(tensor.bytes);
  }
  return Ok();
}

}  // namespace

std::string CheckpointPath(const std::string& directory, std::uint64_t step, std::uint64_t generation) {
  return JoinPath(directory, fmt::format("step-{:08}.g{}", step, generation));
}

Result<std::vector<std::string>> ListCheckpoints(const std::string& directory) {
  if (!Exists(directory)) return std::vector<std::string>{};
  STILL_ASSIGN_OR_RETURN(const std::vector<std::string> entries, ListDirectory(directory));
  std::vector<Name> names;
  for (const std::string& entry : entries) {
    Name name;
    if (ParseName(entry, &name)) names.push_back(name);
  }
  std::ranges::sort(names, std::ranges::greater{},
                    [](const Name& name) { return std::tie(name.step, name.generation); });
  std::vector<std::string> paths;
  for (const Name& name : names) paths.push_back(JoinPath(directory, name.text));
  return paths;
}

Result<CheckpointInfo> VerifyCheckpoint(const std::string& path) {
  const std::string description = JoinPath(path, kCheckpointFile);
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(description));
  CheckpointInfo info;
  try {
    const auto json = nlohmann::json::parse(text);
    json.at("step").get_to(info.step);
    json.at("seed").get_to(info.seed);
    json.at("generation").get_to(info.generation);
    json.at("identity").get_to(info.identity);
    json.at("skipped_steps").get_to(info.skipped_steps);
    json.at("skipped_in_a_row").get_to(info.skipped_in_a_row);
    json.at("weights_digest").get_to(info.weights_digest);
    json.at("sha256").at(kWeightsFile).get_to(info.weights_sha256);
    json.at("sha256").at(kOptimizerFile).get_to(info.optimizer_sha256);
  } catch (const nlohmann::json::exception& e) {
    return Error(Code::kDataLoss, "{}: not a checkpoint's description: {}", description, e.what());
  }
  STILL_RETURN_IF_ERROR(CheckFile(JoinPath(path, kWeightsFile), info.weights_sha256));
  STILL_RETURN_IF_ERROR(CheckFile(JoinPath(path, kOptimizerFile), info.optimizer_sha256));
  return info;
}

Result<std::string> CheckpointHash(const std::string& path) {
  Sha256 hash;
  STILL_RETURN_IF_ERROR(HashTensors(JoinPath(path, kWeightsFile), &hash));
  STILL_RETURN_IF_ERROR(HashTensors(JoinPath(path, kOptimizerFile), &hash));
  return Hex(hash.Finish());
}

}  // namespace still::worker
