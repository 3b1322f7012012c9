#include "worker/model/model_files.h"
#include "worker/model/student_layers.h"

#include <ATen/ATen.h>

#include <fstream>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/numerics/small_model.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/model/encoder.h"

namespace still::worker {
namespace {

using ::still::testing::StatusIs;
using ::still::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using worker::testing::RandomModel;
using worker::testing::Seeded;
using worker::testing::SmallShape;

// A Hugging Face checkpoint of a one-layer BERT, to be damaged and written.
class BertDirectory {
 public:
  BertDirectory() {
    for (const char* name : {"query", "key", "value"}) Linear(std::string("attention.self.") + name, 8, 8);
    Linear("attention.output.dense", 8, 8);
    Linear("attention.output.LayerNorm", 8, 0);
    Linear("intermediate.dense", 12, 8);
    Linear("output.dense", 8, 12);
    Linear("output.LayerNorm", 8, 0);
    tensors["embeddings.word_embeddings.weight"] = Random({20, 8});
    tensors["embeddings.position_embeddings.weight"] = Random({6, 8});
    tensors["embeddings.token_type_embeddings.weight"] = Random({2, 8});
    tensors["embeddings.LayerNorm.weight"] = Random({8});
    tensors["embeddings.LayerNorm.bias"] = Random({8});
  }

  void AddHead() {
    tensors["cls.predictions.transform.dense.weight"] = Random({8, 8});
    tensors["cls.predictions.transform.dense.bias"] = Random({8});
    tensors["cls.predictions.transform.LayerNorm.weight"] = Random({8});
    tensors["cls.predictions.transform.LayerNorm.bias"] = Random({8});
    tensors["cls.predictions.bias"] = Random({20});
  }

  void Rename(const std::string& from, const std::string& to) {
    auto node = tensors.extract(from);
    node.key() = to;
    tensors.insert(std::move(node));
  }

  Result<ImportedTeacher> Import() {
    std::vector<TensorToWrite> list;
    for (auto& [name, tensor] : tensors) {
      tensor = tensor.contiguous();
      const char* dtype = tensor.scalar_type() == at::kHalf       ? "F16"
                          : tensor.scalar_type() == at::kBFloat16 ? "BF16"
                                                                  : "F32";
      list.push_back({name,
                      dtype,
                      tensor.sizes().vec(),
                      {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
    }
    STILL_RETURN_IF_ERROR(WriteSafetensors(directory_ / "model.safetensors", list, {}));
    STILL_RETURN_IF_ERROR(WriteFileAtomically(directory_ / "config.json", config));
    return ImportHuggingFaceBert(directory_.path(), false);
  }

  std::map<std::string, at::Tensor> tensors;
  std::string config = R"({"model_type": "bert", "hidden_act": "gelu", "num_hidden_layers": 1, "hidden_size": 8,
    "num_attention_heads": 2, "intermediate_size": 12, "vocab_size": 20, "max_position_embeddings": 6,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12})";

 private:
  at::Tensor Random(std::vector<std::int64_t> shape) { return at::randn(shape, generator_, at::kFloat); }
  void Linear(const std::string& name, std::int64_t out, std::int64_t in) {
    const std::string full = "encoder.layer.0." + name;
    tensors[full + ".weight"] = in > 0 ? Random({out, in}) : Random({out});
    tensors[full + ".bias"] = Random({out});
  }

  TempDirectory directory_;
  at::Generator generator_ = Seeded(1);
};

TEST(BertImportTest, MergesProjectionsAndFoldsTheTokenType) {
  BertDirectory bert;
  ASSERT_OK_AND_ASSIGN(const ImportedTeacher teacher, bert.Import());
  const ParameterSet& p = teacher.parameters;
  EXPECT_TRUE(p["layer.0.attention.qkv.weight"].narrow(0, 8, 8).equal(
      bert.tensors["encoder.layer.0.attention.self.key.weight"]));
  EXPECT_TRUE(p["embeddings.position"].equal(bert.tensors["embeddings.position_embeddings.weight"] +
                                             bert.tensors["embeddings.token_type_embeddings.weight"][0]));
  EXPECT_FALSE(teacher.has_head);
  EXPECT_TRUE(p["head.transform.weight"].equal(at::eye(8)));
  EXPECT_TRUE(p["head.norm.weight"].equal(at::ones({8})));
  EXPECT_EQ(p["head.decoder.bias"].abs().sum().item<float>(), 0);
}

TEST(BertImportTest, EverySpellingGivesTheSameWeights) {
  BertDirectory plain;
  plain.AddHead();
  ASSERT_OK_AND_ASSIGN(const ImportedTeacher want, plain.Import());
  EXPECT_TRUE(want.has_head);
  EXPECT_TRUE(want.parameters["head.decoder.bias"].equal(plain.tensors["cls.predictions.bias"]));
  BertDirectory other;
  other.AddHead();
  other.Rename("cls.predictions.bias", "cls.predictions.decoder.bias");
  other.Rename("embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma");
  other.Rename("embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : other.tensors) names.push_back(name);
  for (const std::string& name : names) {
    if (!name.starts_with("cls.")) other.Rename(name, "bert." + name);
  }
  ASSERT_OK_AND_ASSIGN(const ImportedTeacher got, other.Import());
  EXPECT_EQ(got.parameters.WeightsDigest(), want.parameters.WeightsDigest());
}

TEST(BertImportTest, ReadsHalfPrecision) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    BertDirectory bert;
    for (auto& [name, tensor] : bert.tensors) tensor = tensor.to(dtype);
    ASSERT_OK_AND_ASSIGN(const ImportedTeacher teacher, bert.Import());
    EXPECT_TRUE(
        teacher.parameters["embeddings.word"].equal(bert.tensors["embeddings.word_embeddings.weight"].to(at::kFloat)));
  }
}

TEST(BertImportTest, NamesWhatIsWrongWithTheTensors) {
  BertDirectory missing;
  missing.tensors.erase("encoder.layer.0.intermediate.dense.bias");
  EXPECT_THAT(missing.Import(), StatusIs(Code::kDataLoss, AllOf(HasSubstr("model.safetensors"),
                                                                HasSubstr("encoder.layer.0.intermediate.dense.bias"))));
  BertDirectory misshapen;
  misshapen.tensors["embeddings.word_embeddings.weight"] = at::zeros({19, 8});
  EXPECT_THAT(misshapen.Import(), StatusIs(Code::kDataLoss, AllOf(HasSubstr("word_embeddings"), HasSubstr("[19, 8]"),
                                                                  HasSubstr("[20, 8]"))));
  BertDirectory untied;
  untied.AddHead();
  untied.tensors["cls.predictions.decoder.weight"] = at::zeros({20, 8});
  EXPECT_THAT(untied.Import(), StatusIs(Code::kInvalidArgument, HasSubstr("tied")));
}

TEST(BertImportTest, NamesWhatIsWrongWithTheConfiguration) {
  const std::pair<const char*, const char*> kEdits[] = {
      {R"("model_type": "bert")", R"("model_type": "roberta")"},
      {R"("hidden_act": "gelu")", R"("hidden_act": "relu")"},
      {R"("type_vocab_size": 2)", R"("type_vocab_size": 2, "position_embedding_type": "relative_key")"},
      {R"("num_attention_heads": 2)", R"("num_attention_heads": 3)"},
      {R"("vocab_size": 20)", R"("vocab_size": -1)"},
      {R"("hidden_size": 8,)", ""},
  };
  const char* kNamed[] = {"roberta", "relu", "relative_key", "heads", "vocab_size", "hidden_size"};
  for (std::size_t i = 0; i < std::size(kEdits); ++i) {
    BertDirectory bert;
    bert.config.replace(bert.config.find(kEdits[i].first), std::strlen(kEdits[i].first), kEdits[i].second);
    EXPECT_THAT(bert.Import(), StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("config.json"), HasSubstr(kNamed[i]))));
  }
}

TEST(StudentTest, TakesEvenlySpreadLayers) {
  EXPECT_THAT(StudentLayers(12, 6), ElementsAre(0, 2, 4, 7, 9, 11));  // DistilBERT's
  EXPECT_THAT(StudentLayers(6, 3), ElementsAre(0, 2, 5));
  EXPECT_THAT(StudentLayers(6, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(StudentLayers(6, 1), ElementsAre(0));
}

TEST(StudentTest, StartsFromTheTeachersWeights) {
  const ParameterSet teacher = RandomModel(SmallShape(6), false, 3);
  const ParameterSet student = InitialiseStudent(teacher, 3, true, 0);
  EXPECT_TRUE(student["layer.1.ffn.in.weight"].equal(teacher["layer.2.ffn.in.weight"]));
  EXPECT_TRUE(student["layer.2.attention.qkv.bias"].equal(teacher["layer.5.attention.qkv.bias"]));
  EXPECT_TRUE(student["head.decoder.bias"].equal(teacher["head.decoder.bias"]));
  // With no layers left, what remains of the encoder is the embeddings' output.
  const auto embeddings = [](const ParameterSet& from) {
    ModelShape shape = from.shape();
    shape.layers = 0;
    ParameterSet only(shape, false, at::kDouble);
    for (const ParameterInfo& info : only.layout()) only[info.name].copy_(from[info.name].detach());
    return EncoderForward(only, {at::arange(10).view({1, 10}), at::full({1}, 10, at::kLong)}, {}, {at::kDouble});
  };
  EXPECT_TRUE(embeddings(student).equal(embeddings(teacher)));
}

TEST(StudentTest, RandomWeightsAreAFunctionOfTheSeed) {
  const ParameterSet teacher = RandomModel(SmallShape(2), false, 3, at::kFloat);
  const ParameterSet one = InitialiseStudent(teacher, 1, false, 7);
  EXPECT_EQ(one.WeightsDigest(), InitialiseStudent(teacher, 1, false, 7).WeightsDigest());
  EXPECT_NE(one.WeightsDigest(), InitialiseStudent(teacher, 1, false, 8).WeightsDigest());
  EXPECT_NEAR(one["embeddings.word"].std().item<float>(), 0.02, 0.002);
  EXPECT_TRUE(one["embeddings.norm.weight"].equal(at::ones({16})));
}

TEST(ModelFilesTest, LoadsWhatWasSaved) {
  const TempDirectory directory;
  const ParameterSet model = RandomModel(SmallShape(2), false, 4, at::kFloat);
  ASSERT_OK(SaveModel(model, directory.path()));
  ASSERT_OK_AND_ASSIGN(const ParameterSet loaded, LoadModel(directory.path(), true));
  EXPECT_TRUE(loaded.weights().equal(model.weights()));
  EXPECT_EQ(loaded.WeightsDigest(), model.WeightsDigest());
  EXPECT_TRUE(loaded.gradients().defined());
}

TEST(ModelFilesTest, RefusesDamage) {
  const TempDirectory directory;
  const ParameterSet model = RandomModel(SmallShape(2), false, 4, at::kFloat);
  ASSERT_OK(SaveModel(model, directory.path()));
  const std::string weights = directory / "model.safetensors", shape_path = directory / "shape.json";
  {
    std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x55');
  }
  EXPECT_THAT(LoadModel(directory.path(), false),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("model.safetensors"), HasSubstr("digest"))));
  ModelShape shape = model.shape();
  shape.vocabulary = 54;
  ASSERT_OK(WriteFileAtomically(shape_path, ShapeToJson(shape)));
  EXPECT_THAT(LoadModel(directory.path(), false), StatusIs(Code::kDataLoss, HasSubstr("embeddings.word")));
  ASSERT_OK(WriteFileAtomically(shape_path, "{\"layers\": 2}"));
  EXPECT_THAT(LoadModel(directory.path(), false), StatusIs(Code::kDataLoss, HasSubstr("\"hidden\"")));
}

}  // namespace
}  // namespace still::worker
