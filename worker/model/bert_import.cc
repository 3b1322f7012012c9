// Imports Hugging Face BERT checkpoints into our layout.
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "worker/model/model_files.h"

namespace still::worker {
namespace {

using Json = nlohmann::json;

Result<std::int64_t> IntegerField(const Json& json, const char* key, const std::string& path) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer() || found->get<std::int64_t>() <= 0) {
    return Error(Code::kInvalidArgument, "{}: \"{}\" must be a positive integer; a BERT configuration has it", path,
                 key);
  }
  return found->get<std::int64_t>();
}

// Checks that `key` is `wanted`, or absent where that is BERT's default.
Status ExpectText(const Json& json, const char* key, const char* wanted, bool required, const std::string& path) {
  const auto found = json.find(key);
  if (found == json.end() && !required) return Ok();
  if (found == json.end() || *found != wanted) {
    return Error(Code::kInvalidArgument, "{}: \"{}\" is {}, but only \"{}\" is supported", path, key,
                 found == json.end() ? "missing" : found->dump(), wanted);
  }
  return Ok();
}

struct BertConfig {
  ModelShape shape;
  std::int64_t token_types = 2;
};

Result<BertConfig> ReadConfig(const std::string& path) {
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Error(Code::kInvalidArgument, "{}: not a JSON object", path);
  STILL_RETURN_IF_ERROR(ExpectText(json, "model_type", "bert", /*required=*/true, path));
  STILL_RETURN_IF_ERROR(ExpectText(json, "hidden_act", "gelu", false, path));
  STILL_RETURN_IF_ERROR(ExpectText(json, "position_embedding_type", "absolute", false, path));
  BertConfig config;
  ModelShape& shape = config.shape;
  STILL_ASSIGN_OR_RETURN(shape.layers, IntegerField(json, "num_hidden_layers", path));
  STILL_ASSIGN_OR_RETURN(shape.hidden, IntegerField(json, "hidden_size", path));
  STILL_ASSIGN_OR_RETURN(shape.heads, IntegerField(json, "num_attention_heads", path));
  STILL_ASSIGN_OR_RETURN(shape.intermediate, IntegerField(json, "intermediate_size", path));
  STILL_ASSIGN_OR_RETURN(shape.vocabulary, IntegerField(json, "vocab_size", path));
  STILL_ASSIGN_OR_RETURN(shape.positions, IntegerField(json, "max_position_embeddings", path));
  if (const auto epsilon = json.find("layer_norm_eps"); epsilon != json.end()) {
    if (!epsilon->is_number()) return Error(Code::kInvalidArgument, "{}: \"layer_norm_eps\" must be a number", path);
    shape.layer_norm_epsilon = epsilon->get<double>();
  }
  STILL_ASSIGN_OR_RETURN(config.token_types, IntegerField(json, "type_vocab_size", path));
  const Status checked = shape.Check();
  return checked.ok() ? Result<BertConfig>(config) : checked.WithContext(path);
}

// The tensors of a checkpoint by BertModel's names, whatever prefix and spelling the file has.
class Checkpoint {
 public:
  explicit Checkpoint(SafetensorsFile file) : file_(std::move(file)) {
    prefix_ = file_.tensors().contains("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  }

  const std::string& path() const { return file_.path(); }
  bool Has(const std::string& name) const { return file_.tensors().contains(Spelling(name)); }

  // Returns the tensor as fp32. It must have exactly this shape.
  Result<at::Tensor> Read(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const auto found = file_.tensors().find(Spelling(name));
    if (found == file_.tensors().end()) {
      return Error(Code::kDataLoss, "{}: tensor \"{}\" is missing; is this a whole BERT checkpoint?", path(),
                   Spelling(name));
    }
    const TensorEntry& entry = found->second;
    if (entry.shape != shape) {
      return Error(Code::kDataLoss, "{}: tensor \"{}\" has shape [{}], but config.json asks for [{}]", path(),
                   found->first, fmt::join(entry.shape, ", "), fmt::join(shape, ", "));
    }
    const std::optional<at::ScalarType> dtype = TypeOf(entry.dtype);
    if (!dtype) {
      return Error(Code::kDataLoss, "{}: tensor \"{}\" is {}, but only F32, F16 and BF16 are supported", path(),
                   found->first, entry.dtype);
    }
    // from_blob takes a mutable pointer; the map is only read. The bytes may be unaligned for the type: copy them
    // first.
    const at::Tensor bytes = at::from_blob(const_cast<std::byte*>(entry.bytes.data()),
                                           {static_cast<std::int64_t>(entry.bytes.size())}, at::kByte);
    return bytes.clone().view(*dtype).view(shape).to(at::kFloat);
  }

 private:
  static std::optional<at::ScalarType> TypeOf(const std::string& dtype) {
    if (dtype == "F32") return at::kFloat;
    if (dtype == "F16") return at::kHalf;
    if (dtype == "BF16") return at::kBFloat16;
    return std::nullopt;
  }

  // Checkpoints converted from TensorFlow call LayerNorm's weight and bias gamma and beta.
  std::string Spelling(const std::string& name) const {
    const std::string full = name.starts_with("cls.") ? name : prefix_ + name;
    if (file_.tensors().contains(full)) return full;
    std::string old = full;
    for (const auto& [current, former] :
         {std::pair("LayerNorm.weight", "LayerNorm.gamma"), std::pair("LayerNorm.bias", "LayerNorm.beta")}) {
      if (const std::size_t at = old.find(current); at != std::string::npos) old.replace(at, std::string::npos, former);
    }
    return file_.tensors().contains(old) ? old : full;
  }

  SafetensorsFile file_;
  std::string prefix_;
};

Status Copy(const Checkpoint& from, const std::string& source, const ParameterSet& to, const std::string& name) {
  const at::Tensor& target = to[name];
  STILL_ASSIGN_OR_RETURN(const at::Tensor value, from.Read(source, target.sizes().vec()));
  target.detach().copy_(value);
  return Ok();
}

// Copies a weight and its bias.
Status CopyPair(const Checkpoint& from, const std::string& source, const ParameterSet& to, const std::string& name) {
  STILL_RETURN_IF_ERROR(Copy(from, source + ".weight", to, name + ".weight"));
  return Copy(from, source + ".bias", to, name + ".bias");
}

Status CopyEmbeddings(const Checkpoint& from, std::int64_t token_types, const ParameterSet& to) {
  STILL_RETURN_IF_ERROR(Copy(from, "embeddings.word_embeddings.weight", to, "embeddings.word"));
  STILL_RETURN_IF_ERROR(Copy(from, "embeddings.position_embeddings.weight", to, "embeddings.position"));
  STILL_RETURN_IF_ERROR(CopyPair(from, "embeddings.LayerNorm", to, "embeddings.norm"));
  // We only ever feed one segment, so the row of its type is the same constant at every position.
  STILL_ASSIGN_OR_RETURN(const at::Tensor rows,
                         from.Read("embeddings.token_type_embeddings.weight", {token_types, to.shape().hidden}));
  to["embeddings.position"].detach().add_(rows.select(0, 0));
  return Ok();
}

Status CopyLayer(const Checkpoint& from, const ParameterSet& to, std::int64_t i) {
  const std::int64_t hidden = to.shape().hidden;
  const std::string source = "encoder.layer." + std::to_string(i), name = "layer." + std::to_string(i);
  static constexpr const char* kParts[] = {"query", "key", "value"};
  for (std::int64_t part = 0; part < 3; ++part) {
    const std::string projection = source + ".attention.self." + kParts[part];
    STILL_ASSIGN_OR_RETURN(const at::Tensor weight, from.Read(projection + ".weight", {hidden, hidden}));
    STILL_ASSIGN_OR_RETURN(const at::Tensor bias, from.Read(projection + ".bias", {hidden}));
    to[name + ".attention.qkv.weight"].detach().narrow(0, part * hidden, hidden).copy_(weight);
    to[name + ".attention.qkv.bias"].detach().narrow(0, part * hidden, hidden).copy_(bias);
  }
  STILL_RETURN_IF_ERROR(CopyPair(from, source + ".attention.output.dense", to, name + ".attention.out"));
  STILL_RETURN_IF_ERROR(CopyPair(from, source + ".attention.output.LayerNorm", to, name + ".attention.norm"));
  STILL_RETURN_IF_ERROR(CopyPair(from, source + ".intermediate.dense", to, name + ".ffn.in"));
  STILL_RETURN_IF_ERROR(CopyPair(from, source + ".output.dense", to, name + ".ffn.out"));
  return CopyPair(from, source + ".output.LayerNorm", to, name + ".ffn.norm");
}

Status CopyHead(const Checkpoint& from, const ParameterSet& to) {
  const ModelShape& shape = to.shape();
  STILL_RETURN_IF_ERROR(CopyPair(from, "cls.predictions.transform.dense", to, "head.transform"));
  STILL_RETURN_IF_ERROR(CopyPair(from, "cls.predictions.transform.LayerNorm", to, "head.norm"));
  const bool old_bias = from.Has("cls.predictions.bias");
  STILL_RETURN_IF_ERROR(
      Copy(from, old_bias ? "cls.predictions.bias" : "cls.predictions.decoder.bias", to, "head.decoder.bias"));
  const std::string decoder = "cls.predictions.decoder.weight";
  if (!from.Has(decoder)) return Ok();
  STILL_ASSIGN_OR_RETURN(const at::Tensor weight, from.Read(decoder, {shape.vocabulary, shape.hidden}));
  if (!weight.equal(to["embeddings.word"].detach())) {
    return Error(Code::kInvalidArgument,
                 "{}: \"{}\" differs from the word embeddings; only tied decoders are supported", from.path(), decoder);
  }
  return Ok();
}

void IdentityHead(const ParameterSet& to) {
  to["head.transform.weight"].detach().copy_(at::eye(to.shape().hidden));
  to["head.norm.weight"].detach().fill_(1);
}

}  // namespace

Result<ImportedTeacher> ImportHuggingFaceBert(const std::string& directory, bool trainable) {
  STILL_ASSIGN_OR_RETURN(const BertConfig config, ReadConfig(JoinPath(directory, "config.json")));
  STILL_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(JoinPath(directory, "model.safetensors")));
  const Checkpoint checkpoint(std::move(file));
  ImportedTeacher teacher{ParameterSet(config.shape, trainable), false};
  STILL_RETURN_IF_ERROR(CopyEmbeddings(checkpoint, config.token_types, teacher.parameters));
  for (std::int64_t i = 0; i < config.shape.layers; ++i) {
    STILL_RETURN_IF_ERROR(CopyLayer(checkpoint, teacher.parameters, i));
  }
  teacher.has_head = checkpoint.Has("cls.predictions.transform.dense.weight");
  if (teacher.has_head) {
    STILL_RETURN_IF_ERROR(CopyHead(checkpoint, teacher.parameters));
  } else {
    IdentityHead(teacher.parameters);
  }
  return teacher;
}

}  // namespace still::worker
