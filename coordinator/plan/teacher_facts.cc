#include "coordinator/plan/teacher_facts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/digest.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"

namespace still::coordinator {
namespace {

Result<std::string> HexSha256OfFile(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256OfFile(path));
  return Hex(digest);
}

Result<std::uint32_t> PositiveNumber(const nlohmann::json& config, const char* key, const std::string& path) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > 1'000'000) {
    return Error(Code::kDataLoss, "{}: \"{}\" is not a positive number: is this a BERT's config.json?", path, key);
  }
  return found->get<std::uint32_t>();
}

// Refuses models that the worker or the export would refuse hours later.
Status CheckKindOfBert(const nlohmann::json& config, const std::string& path) {
  const auto is = [&](const char* key, const nlohmann::json& expected) {
    const auto found = config.find(key);
    if (found == config.end() || *found == expected) return Ok();
    return Error(Code::kInvalidArgument, "{}: {} is {}; a teacher must have {}", path, key, found->dump(),
                 expected.dump());
  };
  STILL_RETURN_IF_ERROR(is("hidden_act", "gelu"));
  STILL_RETURN_IF_ERROR(is("position_embedding_type", "absolute"));
  return is("layer_norm_eps", 1e-12);  // the value of DistilBERT, the format of the export
}

Status CheckVocabulary(const std::string& path, std::uint32_t vocabulary) {
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const auto ends = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const std::size_t lines = ends + (text.empty() || text.back() == '\n' ? 0 : 1);
  if (lines == vocabulary) return Ok();
  return Error(Code::kDataLoss, "{} has {} entries, but config.json says vocab_size {}; use the files of one model",
               path, lines, vocabulary);
}

Status ReadShape(const std::string& path, TeacherFacts* facts) {
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const nlohmann::json config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return Error(Code::kDataLoss, "{}: not a JSON object; download the teacher again", path);
  const auto type = config.find("model_type");
  if (type != config.end() && *type != "bert") {
    return Error(Code::kInvalidArgument, "{}: model_type is {}; a teacher must be \"bert\"", path, type->dump());
  }
  STILL_ASSIGN_OR_RETURN(facts->layers, PositiveNumber(config, "num_hidden_layers", path));
  STILL_ASSIGN_OR_RETURN(facts->max_positions, PositiveNumber(config, "max_position_embeddings", path));
  STILL_ASSIGN_OR_RETURN(facts->vocabulary, PositiveNumber(config, "vocab_size", path));
  return CheckKindOfBert(config, path);
}

}  // namespace

Result<TeacherFacts> InspectTeacher(const std::string& directory) {
  if (!Exists(directory))
    return Error(Code::kNotFound, "teacher.path {} does not exist; name the Hugging Face directory of a BERT model",
                 directory);
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt"}) {
    if (Exists(JoinPath(directory, name))) continue;
    return Error(Code::kNotFound,
                 "teacher.path {}: {} is missing; a teacher is a Hugging Face directory with config.json, "
                 "model.safetensors and vocab.txt",
                 directory, name);
  }
  TeacherFacts facts;
  STILL_RETURN_IF_ERROR(ReadShape(JoinPath(directory, "config.json"), &facts));
  STILL_RETURN_IF_ERROR(CheckVocabulary(JoinPath(directory, "vocab.txt"), facts.vocabulary));
  const std::string model = JoinPath(directory, "model.safetensors");
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile tensors, SafetensorsFile::Open(model));
  facts.has_head = tensors.tensors().contains("cls.predictions.transform.dense.weight");
  STILL_ASSIGN_OR_RETURN(facts.config_sha256, HexSha256OfFile(JoinPath(directory, "config.json")));
  STILL_ASSIGN_OR_RETURN(facts.model_sha256, HexSha256OfFile(model));
  STILL_ASSIGN_OR_RETURN(facts.vocab_sha256, HexSha256OfFile(JoinPath(directory, "vocab.txt")));
  return facts;
}

}  // namespace still::coordinator
