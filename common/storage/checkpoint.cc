#include "common/storage/checkpoint.h"

#include <fmt/ranges.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

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

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
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

// Writes numbers as numbers. The JSON of protobuf itself has 64-bit numbers as texts.
ordered_json ToJson(const Message& message) {
  const Reflection& access = *message.GetReflection();
  ordered_json object;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    ordered_json& value = object[field.name()];
    if (field.is_repeated()) {
      value = ordered_json::array();
      for (int at = 0; at < access.FieldSize(message, &field); ++at)
        value.push_back(ToJson(access.GetRepeatedMessage(message, &field, at)));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      value = ToJson(access.GetMessage(message, &field));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      value = access.GetString(message, &field);
    } else {
      value = access.GetUInt64(message, &field);
    }
  }
  return object;
}

Status NotA(const Message& message, std::string_view problem) {
  return Error(Code::kDataLoss, "not a {}: {}", message.GetDescriptor()->name(), problem);
}

Status ReadFields(const json& object, Message* message);

// Checks types itself, because nlohmann/json turns -1 or 1.5 into some unsigned number.
Status ReadField(const json& value, const FieldDescriptor& field, Message* message) {
  const Reflection& access = *message->GetReflection();
  const auto wrong_type = [&](std::string_view type) {
    return NotA(*message, fmt::format("its \"{}\" is not {}", field.name(), type));
  };
  if (field.is_repeated()) {
    if (!value.is_array()) return wrong_type("a list");
    for (const json& element : value) STILL_RETURN_IF_ERROR(ReadFields(element, access.AddMessage(message, &field)));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return ReadFields(value, access.MutableMessage(message, &field));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    if (!value.is_string()) return wrong_type("a text");
    access.SetString(message, &field, value.get<std::string>());
  } else {
    if (!value.is_number_unsigned()) return wrong_type("an unsigned number");
    access.SetUInt64(message, &field, value.get<std::uint64_t>());
  }
  return Ok();
}

// Reads every field of `message`, whose fields are u64, strings and messages. None may be missing.
Status ReadFields(const json& object, Message* message) {
  if (!object.is_object()) return NotA(*message, "it is not an object");
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    const auto found = object.find(field.name());
    if (found == object.end()) return NotA(*message, fmt::format("it has no \"{}\"", field.name()));
    STILL_RETURN_IF_ERROR(ReadField(*found, field, message));
  }
  return Ok();
}

// Checks the names of the parts. A manifest comes from disk, and no name in it may lead out of its directory.
Status CheckPartNames(const v1::CheckpointManifest& manifest) {
  std::set<std::string> files;
  for (const v1::CheckpointPart& part : manifest.parts()) {
    const std::string& file = part.file();
    if (file.empty() || file.front() == '.' || file.find('/') != std::string::npos)
      return NotA(part, fmt::format("'{}' is not the name of one", file));
    if (!files.insert(file).second) return NotA(manifest, fmt::format("it names {} twice", file));
  }
  return Ok();
}

Status VerifyPart(const std::string& file, const v1::CheckpointPart& part) {
  STILL_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(file));
  if (size != part.size())
    return Error(Code::kDataLoss, "{}: it has {} bytes, its manifest says {}: the file is torn", file, size,
                 part.size());
  STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256OfFile(file));
  if (Hex(digest) == part.sha256()) return Ok();
  return Error(Code::kDataLoss, "{}: its SHA-256 is {}, its manifest says {}: the file is damaged", file, Hex(digest),
               part.sha256());
}

}  // namespace

std::string ManifestJson(const v1::CheckpointManifest& manifest) { return ToJson(manifest).dump(2) + "\n"; }

Result<v1::CheckpointManifest> ParseManifest(std::string_view text) {
  v1::CheckpointManifest manifest;
  STILL_RETURN_IF_ERROR(ReadFields(json::parse(text, nullptr, /*allow_exceptions=*/false), &manifest));
  STILL_RETURN_IF_ERROR(CheckPartNames(manifest));
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

Result<v1::CheckpointManifest> ReadManifest(const std::string& path) {
  const std::string file = JoinPath(path, kManifestFile);
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
  Result<v1::CheckpointManifest> manifest = ParseManifest(text);
  if (!manifest.ok()) return manifest.status().WithContext(file);
  Name name;
  const v1::CheckpointInfo& info = manifest->info();
  if (ParseName(std::filesystem::path(path).filename().string(), &name) &&
      (name.step != info.step() || name.generation != info.generation())) {
    return Error(Code::kDataLoss, "{}: it is of step {}, generation {}: the directory was renamed", file, info.step(),
                 info.generation());
  }
  return manifest;
}

Status VerifyParts(const std::string& path, const v1::CheckpointManifest& manifest) {
  for (const v1::CheckpointPart& part : manifest.parts())
    STILL_RETURN_IF_ERROR(VerifyPart(JoinPath(path, part.file()), part));
  return Ok();
}

Result<std::string> CheckpointHash(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const v1::CheckpointManifest manifest, ReadManifest(path));
  std::vector<SafetensorsFile> files;  // tensors point into them
  std::map<std::string, TensorEntry> tensors;
  for (const v1::CheckpointPart& part : manifest.parts()) {
    STILL_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(JoinPath(path, part.file())));
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
