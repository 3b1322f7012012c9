#include "worker/export/distilbert.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "worker/model/shape.h"

namespace still::worker {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kDistilBertEpsilon = 1e-12;

// Maps our names to Hugging Face's, for parameters that keep their shape. The decoder's weight is tied to the word
// embeddings. As in the published checkpoints, it is not stored a second time.
using NamePair = std::pair<std::string_view, std::string_view>;
constexpr std::array kModelNames = {
    NamePair{"embeddings.word", "distilbert.embeddings.word_embeddings.weight"},
    NamePair{"embeddings.position", "distilbert.embeddings.position_embeddings.weight"},
    NamePair{"embeddings.norm.weight", "distilbert.embeddings.LayerNorm.weight"},
    NamePair{"embeddings.norm.bias", "distilbert.embeddings.LayerNorm.bias"},
    NamePair{"head.transform.weight", "vocab_transform.weight"},
    NamePair{"head.transform.bias", "vocab_transform.bias"},
    NamePair{"head.norm.weight", "vocab_layer_norm.weight"},
    NamePair{"head.norm.bias", "vocab_layer_norm.bias"},
    NamePair{"head.decoder.bias", "vocab_projector.bias"},
};
constexpr std::array kLayerNames = {
    NamePair{"attention.out.weight", "attention.out_lin.weight"},
    NamePair{"attention.out.bias", "attention.out_lin.bias"},
    NamePair{"attention.norm.weight", "sa_layer_norm.weight"},
    NamePair{"attention.norm.bias", "sa_layer_norm.bias"},
    NamePair{"ffn.in.weight", "ffn.lin1.weight"},
    NamePair{"ffn.in.bias", "ffn.lin1.bias"},
    NamePair{"ffn.out.weight", "ffn.lin2.weight"},
    NamePair{"ffn.out.bias", "ffn.lin2.bias"},
    NamePair{"ffn.norm.weight", "output_layer_norm.weight"},
    NamePair{"ffn.norm.bias", "output_layer_norm.bias"},
};

class Converter {
 public:
  explicit Converter(const SafetensorsFile& model) : model_(model) {}

  Status Copy(std::string_view from, std::string_view to) {
    STILL_ASSIGN_OR_RETURN(const TensorEntry entry, model_.Find(from));
    tensors_.push_back({std::string(to), entry.dtype, entry.shape, entry.bytes});
    return Ok();
  }

  // Queries, keys and values are stacked in one tensor of ours, and three of DistilBERT's.
  Status CutQueryKeyValue(std::string_view from, std::string_view layer, std::string_view suffix) {
    STILL_ASSIGN_OR_RETURN(const TensorEntry entry, model_.Find(from));
    std::vector<std::int64_t> shape = entry.shape;
    shape[0] /= 3;
    const std::size_t part = entry.bytes.size() / 3;
    constexpr std::array kParts = {"q_lin", "k_lin", "v_lin"};
    for (std::size_t i = 0; i < kParts.size(); ++i) {
      tensors_.push_back({fmt::format("{}.attention.{}.{}", layer, kParts[i], suffix), entry.dtype, shape,
                          entry.bytes.subspan(i * part, part)});
    }
    return Ok();
  }

  const std::vector<TensorToWrite>& tensors() const { return tensors_; }

 private:
  const SafetensorsFile& model_;
  std::vector<TensorToWrite> tensors_;
};

Status WriteWeights(const SafetensorsFile& model, std::int64_t layers, const std::string& path) {
  Converter converter(model);
  for (const auto& [ours, theirs] : kModelNames) STILL_RETURN_IF_ERROR(converter.Copy(ours, theirs));
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string from = fmt::format("layer.{}", i);
    const std::string to = fmt::format("distilbert.transformer.layer.{}", i);
    for (std::string_view suffix : {"weight", "bias"})
      STILL_RETURN_IF_ERROR(converter.CutQueryKeyValue(fmt::format("{}.attention.qkv.{}", from, suffix), to, suffix));
    for (const auto& [ours, theirs] : kLayerNames)
      STILL_RETURN_IF_ERROR(converter.Copy(fmt::format("{}.{}", from, ours), fmt::format("{}.{}", to, theirs)));
  }
  return WriteSafetensors(path, converter.tensors(), {{"format", "pt"}});
}

// Returns the line number of `token`, counted from 0.
Result<std::size_t> VocabularyIndex(std::string_view vocab, std::string_view token, const std::string& path) {
  for (std::size_t line = 0; !vocab.empty(); ++line) {
    const std::size_t end = std::min(vocab.find('\n'), vocab.size());
    if (vocab.substr(0, end) == token) return line;
    vocab.remove_prefix(std::min(end + 1, vocab.size()));
  }
  return Error(Code::kDataLoss, "{}: no line {}; take the vocab.txt the model was trained with", path, token);
}

Json ConfigJson(const ModelShape& shape, std::size_t pad_token_id) {
  return {{"architectures", {"DistilBertForMaskedLM"}},
          {"model_type", "distilbert"},
          {"activation", "gelu"},
          {"attention_dropout", 0.1},
          {"dim", shape.hidden},
          {"dropout", 0.1},
          {"hidden_dim", shape.intermediate},
          {"initializer_range", 0.02},
          {"max_position_embeddings", shape.positions},
          {"n_heads", shape.heads},
          {"n_layers", shape.layers},
          {"pad_token_id", pad_token_id},
          {"qa_dropout", 0.1},
          {"seq_classif_dropout", 0.2},
          {"sinusoidal_pos_embds", false},
          {"tie_weights_", true},
          {"torch_dtype", "float32"},
          {"vocab_size", shape.vocabulary}};
}

Json TokenizerJson(const ModelShape& shape, bool lowercase) {
  return {{"tokenizer_class", "DistilBertTokenizer"},
          {"do_lower_case", lowercase},
          {"model_max_length", shape.positions},
          {"cls_token", "[CLS]"},
          {"sep_token", "[SEP]"},
          {"mask_token", "[MASK]"},
          {"pad_token", "[PAD]"},
          {"unk_token", "[UNK]"}};
}

}  // namespace

Status WriteDistilBert(const std::string& model_directory, const DistilBertOptions& options,
                       const std::string& output_directory) {
  const std::string shape_path = JoinPath(model_directory, "shape.json");
  STILL_ASSIGN_OR_RETURN(const std::string shape_json, ReadFile(shape_path));
  STILL_ASSIGN_OR_RETURN(const ModelShape shape, ShapeFromJson(shape_json, shape_path));
  if (shape.layer_norm_epsilon != kDistilBertEpsilon)
    return Error(Code::kInvalidArgument,
                 "{}: the LayerNorm epsilon is {}, but DistilBERT's is fixed at {}; distil from a teacher with "
                 "layer_norm_eps {}",
                 shape_path, shape.layer_norm_epsilon, kDistilBertEpsilon, kDistilBertEpsilon);
  STILL_ASSIGN_OR_RETURN(const std::string vocab, ReadFile(options.vocab));
  STILL_ASSIGN_OR_RETURN(const std::size_t pad_token_id, VocabularyIndex(vocab, "[PAD]", options.vocab));
  STILL_ASSIGN_OR_RETURN(const SafetensorsFile model,
                         SafetensorsFile::Open(JoinPath(model_directory, "model.safetensors")));

  const auto write_json = [&](std::string_view name, const Json& json) {
    return WriteFileAtomically(JoinPath(output_directory, name), json.dump(2) + "\n");
  };
  STILL_RETURN_IF_ERROR(WriteWeights(model, shape.layers, JoinPath(output_directory, "model.safetensors")));
  STILL_RETURN_IF_ERROR(write_json("config.json", ConfigJson(shape, pad_token_id)));
  STILL_RETURN_IF_ERROR(write_json("tokenizer_config.json", TokenizerJson(shape, options.lowercase)));
  return WriteFileAtomically(JoinPath(output_directory, "vocab.txt"), vocab);
}

}  // namespace still::worker
