#include "common/storage/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "common/digest.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"

namespace still {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Name {
  std::uint64_t step = 0;
  std::uint64_t generation = 0;
  std::string text;
};

// Returns false for a name that is not exactly a checkpoint's: of a leftover, of a quarantined one, of another file.
bool ParseName(const std::string& text, Name* name) {
  unsigned long long step = 0;
  unsigned long long generation = 0;
  if (std::sscanf(text.c_str(), "step-%20llu.g%20llu", &step, &generation) != 2) return false;
  *name = {step, generation, text};
  return CheckpointPath("", step, generation) == JoinPath("", text);
}

ordered_json ToJson(const CheckpointInfo& info) {
  return {{"step", info.step},
          {"seed", info.seed},
          {"generation", info.generation},
          {"identity", info.identity},
          {"skipped_steps", info.skipped_steps},
          {"skipped_in_a_row", info.skipped_in_a_row},
          {"audit_sequences", info.audit_sequences},
          {"audit_hash", info.audit_hash}};
}

// Reads fields of a JSON object and keeps the first problem: a field that is missing or of another type. The check is
// its own, because nlohmann/json turns -1 or 1.5 into some unsigned number.
class Fields {
 public:
  explicit Fields(const json& object) : object_(object) {
    if (!object.is_object()) problem_ = "it is not an object";
  }

  void Read(const char* name, std::uint64_t* number) {
    ReadAs(name, number, &json::is_number_unsigned, "an unsigned number");
  }
  void Read(const char* name, std::string* text) { ReadAs(name, text, &json::is_string, "a text"); }
  // Returns a null value when the field is missing.
  const json& Nested(const char* name) {
    static const json nothing;
    const json* const found = Find(name);
    return found == nullptr ? nothing : *found;
  }
  Status Outcome(std::string_view what) const {
    if (problem_.empty()) return Ok();
    return Error(Code::kDataLoss, "not a checkpoint's {}: {}", what, problem_);
  }

 private:
  template <typename T>
  void ReadAs(const char* name, T* value, bool (json::*is_of_type)() const noexcept, std::string_view type) {
    const json* const found = Find(name);
    if (found == nullptr) return;
    if ((found->*is_of_type)()) {
      *value = found->get<T>();
    } else {
      problem_ = fmt::format("its \"{}\" is not {}", name, type);
    }
  }
  const json* Find(const char* name) {
    if (!problem_.empty()) return nullptr;
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    problem_ = fmt::format("it has no \"{}\"", name);
    return nullptr;
  }

  const json& object_;
  std::string problem_;
};

json ParseJson(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

Result<CheckpointInfo> InfoOf(const json& object) {
  CheckpointInfo info;
  Fields fields(object);
  fields.Read("step", &info.step);
  fields.Read("seed", &info.seed);
  fields.Read("generation", &info.generation);
  fields.Read("identity", &info.identity);
  fields.Read("skipped_steps", &info.skipped_steps);
  fields.Read("skipped_in_a_row", &info.skipped_in_a_row);
  fields.Read("audit_sequences", &info.audit_sequences);
  fields.Read("audit_hash", &info.audit_hash);
  STILL_RETURN_IF_ERROR(fields.Outcome("description"));
  return info;
}

Result<CheckpointPart> PartOf(const json& object) {
  CheckpointPart part;
  Fields fields(object);
  fields.Read("file", &part.file);
  fields.Read("size", &part.size);
  fields.Read("sha256", &part.sha256);
  STILL_RETURN_IF_ERROR(fields.Outcome("part"));
  // The manifest comes from disk. A name in it must not lead out of the checkpoint's directory.
  if (part.file.empty() || part.file.front() == '.' || part.file.find('/') != std::string::npos)
    return Error(Code::kDataLoss, "not a checkpoint's part: '{}' is not the name of one", part.file);
  return part;
}

Status VerifyPart(const std::string& file, const CheckpointPart& part) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file));
  if (size != part.size)
    return Error(Code::kDataLoss, "{}: it has {} bytes, its manifest says {}: the file is torn", file, size, part.size);
  STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256OfFile(file));
  if (Hex(digest) == part.sha256) return Ok();
  return Error(Code::kDataLoss, "{}: its SHA-256 is {}, its manifest says {}: the file is damaged", file, Hex(digest),
               part.sha256);
}

}  // namespace

std::string InfoJson(const CheckpointInfo& info) { return ToJson(info).dump(); }

Result<CheckpointInfo> ParseInfo(std::string_view json_text) { return InfoOf(ParseJson(json_text)); }

std::string ManifestJson(const CheckpointManifest& manifest) {
  ordered_json object = ToJson(manifest.info);
  object["parts"] = ordered_json::array();
  for (const CheckpointPart& part : manifest.parts)
    object["parts"].push_back({{"file", part.file}, {"size", part.size}, {"sha256", part.sha256}});
  return object.dump(2) + "\n";
}

Result<CheckpointManifest> ParseManifest(std::string_view json_text) {
  const json object = ParseJson(json_text);
  CheckpointManifest manifest;
  STILL_ASSIGN_OR_RETURN(manifest.info, InfoOf(object));
  Fields fields(object);
  const json& parts = fields.Nested("parts");
  STILL_RETURN_IF_ERROR(fields.Outcome("manifest"));
  if (!parts.is_array()) return Error(Code::kDataLoss, "not a checkpoint's manifest: its \"parts\" are no list");
  std::set<std::string> files;
  for (const json& part : parts) {
    STILL_ASSIGN_OR_RETURN(CheckpointPart read, PartOf(part));
    if (!files.insert(read.file).second)
      return Error(Code::kDataLoss, "not a checkpoint's manifest: it names {} twice", read.file);
    manifest.parts.push_back(std::move(read));
  }
  return manifest;
}

std::string CheckpointPath(const std::string& directory, std::uint64_t step, std::uint64_t generation) {
  return JoinPath(directory, fmt::format("step-{:08}.g{}", step, generation));
}

std::string PartFile(std::size_t index) { return fmt::format("part-{:05}.safetensors", index); }

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

Result<CheckpointManifest> ReadManifest(const std::string& path) {
  const std::string file = JoinPath(path, kManifestFile);
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  Result<CheckpointManifest> manifest = ParseManifest(text);
  if (!manifest.ok()) return manifest.status().WithContext(file);
  Name name;
  const CheckpointInfo& info = manifest->info;
  if (ParseName(std::filesystem::path(path).filename().string(), &name) &&
      (name.step != info.step || name.generation != info.generation)) {
    return Error(Code::kDataLoss, "{}: it is of step {}, generation {}: the directory was renamed", file, info.step,
                 info.generation);
  }
  return manifest;
}

Status VerifyParts(const std::string& path, const CheckpointManifest& manifest) {
  for (const CheckpointPart& part : manifest.parts) STILL_RETURN_IF_ERROR(VerifyPart(JoinPath(path, part.file), part));
  return Ok();
}

Result<std::string> CheckpointHash(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const CheckpointManifest manifest, ReadManifest(path));
  std::vector<SafetensorsFile> files;  // tensors point into them
  std::map<std::string, TensorEntry> tensors;
  for (const CheckpointPart& part : manifest.parts) {
    STILL_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(JoinPath(path, part.file)));
    for (const auto& [name, tensor] : file.tensors()) {
      if (!tensors.emplace(name, tensor).second)
        return Error(Code::kDataLoss, "{}: tensor '{}' is in another part, too", file.path(), name);
    }
    files.push_back(std::move(file));
  }
  if (tensors.empty()) return Error(Code::kDataLoss, "{}: there is no tensor in this checkpoint", path);
  Sha256 hash;
  for (const auto& [name, tensor] : tensors) {
    hash.Update(fmt::format("{} {} [{}]\n", name, tensor.dtype, fmt::join(tensor.shape, ",")));
    hash.Update(tensor.bytes);
  }
  return Hex(hash.Finish());
}

std::vector<std::uint64_t> StepsToRetire(const std::vector<std::uint64_t>& steps, std::uint32_t keep_last,
                                         std::uint32_t keep_every) {
  const std::size_t kept = std::max<std::size_t>(keep_last, 1);
  std::vector<std::uint64_t> retired;
  for (std::size_t i = 0; i + kept < steps.size(); ++i) {
    if (keep_every == 0 || steps[i] % keep_every != 0) retired.push_back(steps[i]);
  }
  return retired;
}

}  // namespace still
