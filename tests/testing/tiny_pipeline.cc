#include "tests/testing/tiny_pipeline.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/check.h"
#include "common/random.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"

namespace still::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLayers = 4, kHidden = 32, kIntermediate = 64, kVocabulary = 30522, kPositions = 64;

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  STILL_CHECK(fs::file_size(path) == text.size(), path);
}

// Random weights of N(0, 0.02)-like spread, LayerNorms at 1 and 0.
class TeacherTensors {
 public:
  void Add(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t count = 1;
    for (std::int64_t n : shape) count *= n;
    std::vector<float>& values = storage_.emplace_back(static_cast<std::size_t>(count));
    KeyedRandom random(MixKey({storage_.size()}));
    const bool norm = name.find("LayerNorm") != std::string::npos;
    const bool bias = name.ends_with("bias");
    for (float& value : values) {
      value = norm ? (bias ? 0.0F : 1.0F) : bias ? 0.0F : static_cast<float>((random.NextUnit() - 0.5) * 0.2);
    }
    tensors_.push_back({name, "F32", std::move(shape), std::as_bytes(std::span(values))});
  }
  Status Write(const std::string& path) const { return WriteSafetensors(path, tensors_, {{"format", "pt"}}); }

 private:
  std::vector<std::vector<float>> storage_;
  std::vector<TensorToWrite> tensors_;
};

}  // namespace

TinyPipeline::TinyPipeline(std::string directory, std::string data) : directory_(std::move(directory)) {
  WriteTeacher(data);
  WriteBooks(data);
  settings_ = {
      {"name", "tiny"},
      {"artifacts", "artifacts"},
      {"ranks", "2"},
      {"precision", "fp32"},
      {"corpus.wikipedia", "[]"},
      {"corpus.books", "[books]"},
      {"corpus.max_sequence_tokens", "32"},
      {"corpus.sequences_per_shard", "64"},
      {"corpus.heldout_percent", "20"},
      {"teacher.path", "teacher"},
      {"targets.positions", "all"},
      {"evaluate.max_sequences", "16"},
      {"evaluate.latency_runs", "3"},
  };
  for (const std::string section : {"train", "teacher.fit"}) {
    settings_[section + ".max_steps"] = "6";
    settings_[section + ".sequences_per_step"] = "16";
    settings_[section + ".microbatch_tokens"] = "128";
    settings_[section + ".checkpoint_steps"] = "2";
  }
}

void TinyPipeline::WriteTeacher(const std::string& data) const {
  fs::create_directories(teacher());
  fs::copy_file(data + "/teacher/vocab.txt", teacher() + "/vocab.txt", fs::copy_options::overwrite_existing);
  WriteText(teacher() + "/config.json",
            fmt::format(R"({{"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute",
 "num_hidden_layers": {}, "hidden_size": {}, "num_attention_heads": 4, "intermediate_size": {}, "vocab_size": {},
 "max_position_embeddings": {}, "type_vocab_size": 2, "layer_norm_eps": 1e-12}})",
                        kLayers, kHidden, kIntermediate, kVocabulary, kPositions));
  TeacherTensors tensors;
  tensors.Add("embeddings.word_embeddings.weight", {kVocabulary, kHidden});
  tensors.Add("embeddings.position_embeddings.weight", {kPositions, kHidden});
  tensors.Add("embeddings.token_type_embeddings.weight", {2, kHidden});
  tensors.Add("embeddings.LayerNorm.weight", {kHidden});
  tensors.Add("embeddings.LayerNorm.bias", {kHidden});
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const std::string layer = fmt::format("encoder.layer.{}.", i);
    const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
      tensors.Add(layer + name + ".weight", {out, in});
      tensors.Add(layer + name + ".bias", {out});
    };
    const auto norm = [&](const std::string& name) {
      tensors.Add(layer + name + ".weight", {kHidden});
      tensors.Add(layer + name + ".bias", {kHidden});
    };
    for (const char* part : {"query", "key", "value"}) linear(std::string("attention.self.") + part, kHidden, kHidden);
    linear("attention.output.dense", kHidden, kHidden);
    norm("attention.output.LayerNorm");
    linear("intermediate.dense", kIntermediate, kHidden);
    linear("output.dense", kHidden, kIntermediate);
    norm("output.LayerNorm");
  }
  const Status written = tensors.Write(teacher() + "/model.safetensors");
  STILL_CHECK(written.ok(), written.ToString());
}

// One real book cut into 20 documents, so that both splits have some.
void TinyPipeline::WriteBooks(const std::string& data) const {
  const auto book = ReadFile(data + "/books/milton/comus.txt");
  STILL_CHECK(book.ok(), book.status().ToString());
  fs::create_directories(directory_ + "/books");
  const std::size_t part = 4000;
  for (std::size_t i = 0; i < 20; ++i) {
    WriteText(fmt::format("{}/books/part-{:02}.txt", directory_, i), book->substr(20000 + i * part, part));
  }
}

void TinyPipeline::Set(const std::string& key, const std::string& value) { settings_[key] = value; }

std::vector<std::string> TinyPipeline::Command(const std::vector<std::string>& flags) {
  // "a.b.c: v" becomes nested mappings; the map is sorted, so siblings stand together.
  std::ostringstream yaml;
  std::vector<std::string> open;
  for (const auto& [key, value] : settings_) {
    std::vector<std::string> parts;
    std::istringstream stream(key);
    for (std::string part; std::getline(stream, part, '.');) parts.push_back(part);
    std::size_t common = 0;
    while (common < open.size() && common + 1 < parts.size() && open[common] == parts[common]) ++common;
    open.resize(common);
    for (; open.size() + 1 < parts.size(); open.push_back(parts[open.size()])) {
      yaml << std::string(2 * open.size(), ' ') << parts[open.size()] << ":\n";
    }
    yaml << std::string(2 * open.size(), ' ') << parts.back() << ": " << value << "\n";
  }
  WriteText(config_path(), yaml.str());
  std::vector<std::string> command = {STILL_BINARY, "run", config_path()};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

ProcessResult TinyPipeline::Run(const std::vector<std::string>& flags,
                                const std::map<std::string, std::string>& environment) {
  return testing::Run(Command(flags), environment);
}

std::string TinyPipeline::StudentDigest() const {
  for (const std::string& student : Artifacts("student")) {
    const auto digest = ReadFile(student + "/weights.sha256");
    if (digest.ok()) return *digest;
  }
  return "";
}

std::string TinyPipeline::TargetsManifest() const {
  for (const std::string& targets : Artifacts("targets")) {
    const auto manifest = ReadFile(targets + "/manifest.json");
    if (manifest.ok() && !targets.ends_with(".building")) return *manifest;
  }
  return "";
}

std::vector<std::string> TinyPipeline::Artifacts(const std::string& kind) const {
  const auto names = ListDirectory(artifacts() + "/" + kind);
  std::vector<std::string> paths;
  if (names.ok()) {
    for (const std::string& name : *names) paths.push_back(artifacts() + "/" + kind + "/" + name);
  }
  return paths;
}

std::string DemoData() {
  const std::string path = STILL_DEMO_DATA;
  return fs::exists(path + "/teacher/vocab.txt") ? path : "";
}

}  // namespace still::testing
