#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/worker/evaluate/random_model.h"
#include "worker/export/distilbert.h"
#include "worker/model/model_files.h"

namespace still::worker {
namespace {

using ::still::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() : model_(temporary_ / "model"), output_(temporary_ / "output"), vocab_(temporary_ / "vocab.txt") {
    EXPECT_OK(MakeDirectories(model_));
    EXPECT_OK(MakeDirectories(output_));
    EXPECT_OK(WriteFileAtomically(vocab_, "[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n"));
  }

  Status Export() { return WriteDistilBert(model_, {.vocab = vocab_, .lowercase = false}, output_); }
  nlohmann::json Json(const std::string& name) {
    return nlohmann::json::parse(ReadFile(JoinPath(output_, name)).value());
  }

  testing::TempDirectory temporary_;
  const std::string model_, output_, vocab_;
};

TEST_F(ExportTest, CutsQueriesKeysAndValuesApart) {
  ASSERT_OK(SaveModel(RandomModel(1), model_));
  ASSERT_OK(Export());
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile ours, SafetensorsFile::Open(JoinPath(model_, "model.safetensors")));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile theirs, SafetensorsFile::Open(JoinPath(output_, "model.safetensors")));
  ASSERT_OK_AND_ASSIGN(const TensorEntry stacked, ours.Find("layer.1.attention.qkv.weight"));
  std::string joined;
  for (const char* part : {"q_lin", "k_lin", "v_lin"}) {
    ASSERT_OK_AND_ASSIGN(const TensorEntry entry,
                         theirs.Find(fmt::format("distilbert.transformer.layer.1.attention.{}.weight", part)));
    EXPECT_THAT(entry.shape, ::testing::ElementsAre(16, 16));
    joined += std::string(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
  }
  EXPECT_EQ(joined, std::string(reinterpret_cast<const char*>(stacked.bytes.data()), stacked.bytes.size()));
  EXPECT_EQ(theirs.metadata().at("format"), "pt");
}

TEST_F(ExportTest, WritesEveryParameterOnce) {
  ASSERT_OK(SaveModel(RandomModel(1), model_));
  ASSERT_OK(Export());
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile theirs, SafetensorsFile::Open(JoinPath(output_, "model.safetensors")));
  std::size_t bytes = 0;
  for (const auto& [name, entry] : theirs.tensors()) bytes += entry.bytes.size();
  EXPECT_EQ(bytes, 4u * static_cast<std::size_t>(kSmallShape.Parameters()));
}

TEST_F(ExportTest, ConfigurationFollowsShapeAndVocabulary) {
  ASSERT_OK(SaveModel(RandomModel(1), model_));
  ASSERT_OK(Export());
  const nlohmann::json config = Json("config.json");
  EXPECT_EQ(config["model_type"], "distilbert");
  EXPECT_EQ(config["n_layers"], 2);
  EXPECT_EQ(config["dim"], 16);
  EXPECT_EQ(config["hidden_dim"], 24);
  EXPECT_EQ(config["n_heads"], 4);
  EXPECT_EQ(config["vocab_size"], 40);
  EXPECT_EQ(config["max_position_embeddings"], 20);
  EXPECT_EQ(config["pad_token_id"], 1);
  EXPECT_EQ(Json("tokenizer_config.json")["do_lower_case"], false);
}

TEST_F(ExportTest, RefusesAnEpsilonThatDistilBertDoesNotHave) {
  ModelShape shape = kSmallShape;
  shape.layer_norm_epsilon = 1e-5;
  ASSERT_OK(SaveModel(RandomModel(1, shape), model_));
  EXPECT_THAT(Export(), StatusIs(Code::kInvalidArgument, AllOf(HasSubstr("shape.json"), HasSubstr("1e-05"))));
}

TEST_F(ExportTest, NamesWhatIsMissing) {
  EXPECT_THAT(Export(), StatusIs(Code::kNotFound, HasSubstr("shape.json")));
  ASSERT_OK(SaveModel(RandomModel(1), model_));
  ASSERT_OK(WriteFileAtomically(vocab_, "[UNK]\n"));
  EXPECT_THAT(Export(), StatusIs(Code::kDataLoss, AllOf(HasSubstr(vocab_), HasSubstr("[PAD]"))));
}

}  // namespace
}  // namespace still::worker
