#include <ATen/ATen.h>

#include <cstdlib>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"
#include "worker/model/encoder.h"
#include "worker/model/model_files.h"

namespace still::worker {
namespace {

at::Tensor TensorOf(const TensorEntry& entry, at::ScalarType dtype) {
  return at::from_blob(const_cast<std::byte*>(entry.bytes.data()), entry.shape, dtype).clone();
}

TEST(HuggingFaceImportTest, HiddenStatesEqualTransformers) {
  const std::string source = STILLHOUSE_SOURCE_DIR, teacher_path = source + "/out/data/teacher";
  const char* named = std::getenv("STILLHOUSE_PYTHON");
  const std::string python = named != nullptr ? named : source + "/.venv-hf/bin/python";
  if (!Exists(python)) GTEST_SKIP() << "no Python with transformers: set STILLHOUSE_PYTHON, or make .venv-hf";
  if (!Exists(teacher_path)) GTEST_SKIP() << "no demo teacher: run scripts/fetch_demo_data.sh";
  const still::testing::TempDirectory directory;
  const std::string out = directory / "hidden.safetensors";
  const std::string command =
      "'" + python + "' '" + source + "/tests/numerics/hf_hidden_states.py' '" + teacher_path + "' '" + out + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(out));
  ASSERT_OK_AND_ASSIGN(const TensorEntry tokens, file.Find("tokens"));
  ASSERT_OK_AND_ASSIGN(const TensorEntry lengths, file.Find("lengths"));
  ASSERT_OK_AND_ASSIGN(const TensorEntry hidden, file.Find("hidden"));
  ASSERT_OK_AND_ASSIGN(const ImportedTeacher teacher, ImportHuggingFaceBert(teacher_path, false));
  EXPECT_FALSE(teacher.has_head);
  const TokenBatch batch{TensorOf(tokens, at::kLong), TensorOf(lengths, at::kLong)};
  const at::Tensor ours = EncoderForward(teacher.parameters, batch, {}, {});
  const at::Tensor want = TensorOf(hidden, at::kFloat);
  for (std::int64_t b = 0; b < 3; ++b) {
    const std::int64_t length = batch.lengths[b].item<std::int64_t>();
    const at::Tensor difference = ours[b].slice(0, 0, length) - want[b].slice(0, 0, length);
    EXPECT_LT(difference.abs().max().item<float>(), 1e-4) << "sequence " << b;
  }
}

}  // namespace
}  // namespace still::worker
