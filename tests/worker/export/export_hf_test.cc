// Our export, loaded by the library it is meant for: hf_export_check.py compares logits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "tests/worker/evaluate/random_model.h"
#include "worker/export/distilbert.h"
#include "worker/model/encoder.h"
#include "worker/model/model_files.h"

namespace still::worker {
namespace {

// STILLHOUSE_PYTHON, else the project's environment for Hugging Face, else its own.
std::string Python() {
  if (const char* chosen = std::getenv("STILLHOUSE_PYTHON")) return chosen;
  const std::string source = STILLHOUSE_SOURCE_DIR;
  const std::string hugging_face = source + "/.venv-hf/bin/python";
  return Exists(hugging_face) ? hugging_face : source + "/.venv/bin/python";
}

std::span<const std::byte> BytesOf(const at::Tensor& contiguous) {
  return {static_cast<const std::byte*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

// Two sequences, the second one shorter, and our logits for every position.
Status WriteReference(const ParameterSet& model, const std::string& path) {
  const at::Tensor tokens = at::arange(2 * 12, at::kLong).remainder(kSmallShape.vocabulary).view({2, 12});
  const at::Tensor lengths = at::tensor(std::vector<std::int64_t>{12, 7});
  const at::Tensor hidden = EncoderForward(model, {.tokens = tokens, .lengths = lengths}, Dropout{}, Compute{});
  const at::Tensor transformed = HeadTransform(model, hidden.reshape({-1, kSmallShape.hidden}), Compute{});
  const at::Tensor logits = HeadLogits(model, transformed, Compute{}).contiguous();
  return WriteSafetensors(path,
                          {{"tokens", "I64", {2, 12}, BytesOf(tokens)},
                           {"lengths", "I64", {2}, BytesOf(lengths)},
                           {"logits", "F32", {2, 12, kSmallShape.vocabulary}, BytesOf(logits)}},
                          {});
}

std::string Vocabulary() {
  std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (std::int64_t i = 5; i < kSmallShape.vocabulary; ++i) vocab += fmt::format("word{}\n", i);
  return vocab;
}

TEST(ExportHfTest, TransformersComputesOurLogits) {
  const std::string python = Python();
  if (testing::Run({python, "-c", "import transformers, torch, safetensors"}).exit_code != 0)
    GTEST_SKIP() << python << " cannot import transformers; install scripts/requirements-hf.txt";

  const testing::TempDirectory temporary;
  const std::string model_directory = temporary / "model", exported = temporary / "exported";
  ASSERT_OK(MakeDirectories(model_directory));
  ASSERT_OK(MakeDirectories(exported));
  const ParameterSet model = RandomModel(7);
  ASSERT_OK(SaveModel(model, model_directory));
  ASSERT_OK(WriteFileAtomically(temporary / "vocab.txt", Vocabulary()));
  ASSERT_OK(WriteDistilBert(model_directory, {.vocab = temporary / "vocab.txt"}, exported));
  ASSERT_OK(WriteReference(model, temporary / "reference.safetensors"));

  const testing::ProcessResult check =
      testing::Run({python, STILLHOUSE_SOURCE_DIR "/tests/worker/export/hf_export_check.py", exported,
                    temporary / "reference.safetensors"});
  EXPECT_EQ(check.exit_code, 0) << check.out << check.err;
}

}  // namespace
}  // namespace still::worker
