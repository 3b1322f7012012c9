#include "common/storage/safetensors.h"

#include <gtest/gtest.h>

#include <array>

#include "common/bytes.h"
#include "common/storage/files.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(SafetensorsTest, WrittenTensorsAreReadBack) {
  const TempDirectory directory;
  const std::string path = directory / "model.safetensors";
  const std::array<float, 6> weight = {1, 2, 3, 4, 5, 6};
  const std::array<std::int64_t, 1> step = {-7};
  ASSERT_OK(WriteSafetensors(path,
                             {{"z.weight", "F32", {2, 3}, AsBytes(weight)},
                              {"a.step", "I64", {}, AsBytes(step)},
                              {"empty", "BF16", {0, 4}, {}}},
                             {{"format", "pt"}}));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(path));
  EXPECT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  ASSERT_OK_AND_ASSIGN(const TensorEntry found, file.Find("z.weight"));
  EXPECT_EQ(found.dtype, "F32");
  EXPECT_EQ(found.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(AsText(found.bytes), AsText(AsBytes(weight)));
  EXPECT_EQ(AsText(file.Find("a.step")->bytes), AsText(AsBytes(step)));
  EXPECT_TRUE(file.Find("empty")->bytes.empty());
  EXPECT_THAT(file.Find("z.bias"), StatusIs(Code::kNotFound, AllOf(HasSubstr(path), HasSubstr("'z.bias'"))));
}

TEST(SafetensorsTest, TensorsLieInTheOrderGivenAlignedTo8) {
  const TempDirectory directory;
  const std::array<std::uint8_t, 8> one{1, 1, 1, 1, 1, 1, 1, 1};
  const std::array<std::uint8_t, 8> two{2, 2, 2, 2, 2, 2, 2, 2};
  ASSERT_OK(WriteSafetensors(directory / "f", {{"b", "U8", {8}, AsBytes(one)}, {"a", "U8", {8}, AsBytes(two)}}, {}));
  const std::string bytes = *ReadFile(directory / "f");
  const auto header_bytes = LoadLittleEndian<std::uint64_t>(AsBytes(bytes).data());
  EXPECT_EQ(header_bytes % 8, 0u);
  EXPECT_EQ(bytes.substr(8 + header_bytes), std::string(8, '\1') + std::string(8, '\2'));
}

struct Lie {
  std::string header;
  std::size_t data_bytes;
};

TEST(SafetensorsTest, AWrongHeaderIsDataLossThatNamesTheFile) {
  const TempDirectory directory;
  const std::vector<Lie> lies = {
      {"", 0},
      {"{", 0},
      {"[]", 0},
      {std::string(100'000, '['), 0},
      {R"({"a":7})", 0},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967297],"data_offsets":[0,4]}})", 4},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}})",
       9},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 7},
  };
  const std::string path = directory / "lying.safetensors";
  for (const Lie& lie : lies) {
    std::string bytes;
    AppendLittleEndian(bytes, static_cast<std::uint64_t>(lie.header.size()));
    ASSERT_OK(WriteFileAtomically(path, bytes + lie.header + std::string(lie.data_bytes, '\0')));
    EXPECT_THAT(SafetensorsFile::Open(path), StatusIs(Code::kDataLoss, HasSubstr(path))) << lie.header.substr(0, 200);
  }
}

TEST(SafetensorsTest, AHeaderLengthBeyondTheFileIsDataLoss) {
  const TempDirectory directory;
  const std::string path = directory / "f";
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{100'000'001}, ~std::uint64_t{0}}) {
    std::string bytes;
    AppendLittleEndian(bytes, length);
    ASSERT_OK(WriteFileAtomically(path, bytes + "{}"));
    EXPECT_THAT(SafetensorsFile::Open(path), StatusIs(Code::kDataLoss)) << length;
  }
  ASSERT_OK(WriteFileAtomically(path, "1234567"));
  EXPECT_THAT(SafetensorsFile::Open(path), StatusIs(Code::kDataLoss));
  ASSERT_OK(WriteFileAtomically(path, ""));
  EXPECT_THAT(SafetensorsFile::Open(path), StatusIs(Code::kDataLoss));
  EXPECT_THAT(SafetensorsFile::Open(directory / "absent"), StatusIs(Code::kNotFound));
}

TEST(SafetensorsDeathTest, WritingBytesThatDoNotFitTheShapeIsABug) {
  const TempDirectory directory;
  const std::array<float, 2> weight = {1, 2};
  EXPECT_DEATH(static_cast<void>(WriteSafetensors(directory / "f", {{"w", "F32", {3}, AsBytes(weight)}}, {})),
               "tensor 'w': its bytes are not shape x dtype");
}

}  // namespace
}  // namespace still
