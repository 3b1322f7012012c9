#include "common/storage/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/storage/file_digest.h"
#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/checkpoints.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

v1::CheckpointInfo Info(std::uint64_t step = 17, std::uint64_t generation = 1) {
  v1::CheckpointInfo info = testing::InfoOf(step, generation);
  info.set_skipped_steps(3);
  info.set_skipped_in_a_row(1);
  info.set_audit_sequences(4096);
  info.set_audit_hash(0xfedc'ba98'7654'3210);
  return info;
}

v1::CheckpointManifest Manifest() {
  return testing::ManifestOf(Info(), {testing::PartOf(0, 120, "aa"), testing::PartOf(1, 0, "bb")});
}

using Tensors = std::map<std::string, std::vector<float>>;

const Tensors& State() {
  static const Tensors state = {{"bias", {1, 2}},           {"first.bias", {3, 4}},  {"first.matrix", {5, 6, 7, 8}},
                                {"matrix", {-1, -2, 0, 1}}, {"second.bias", {0, 0}}, {"second.matrix", {9, 8, 7, 6}}};
  return state;
}

class CheckpointTest : public ::testing::Test {
 protected:
  // Writes a checkpoint of `state`, part i holding the tensors of `cut[i]`, with its manifest.
  std::string Write(const Tensors& state, const std::vector<std::vector<std::string>>& cut,
                    std::uint64_t generation = 1) {
    const std::string path = CheckpointPath(directory_.path(), 17, generation);
    v1::CheckpointManifest manifest = testing::ManifestOf(Info(17, generation), {});
    EXPECT_OK(MakeDirectories(path));
    for (const auto& names : cut) {
      const auto index = static_cast<std::size_t>(manifest.parts_size());
      const std::string file = JoinPath(path, PartFile(index));
      std::vector<TensorToWrite> tensors;
      for (const std::string& name : names) {
        const std::vector<float>& values = state.at(name);
        tensors.push_back({name, "F32", {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))});
      }
      EXPECT_OK(WriteSafetensors(file, tensors, {}));
      *manifest.add_parts() = testing::PartOf(index, FileSize(file).value(), Hex(Sha256OfFile(file).value()));
    }
    EXPECT_OK(WriteFileAtomically(JoinPath(path, kManifestFile), ManifestJson(manifest)));
    return path;
  }
  std::string WriteInTwoParts(std::uint64_t generation = 1) {
    return Write(State(), {{"bias", "first.bias", "second.bias"}, {"matrix", "first.matrix", "second.matrix"}},
                 generation);
  }

  static void Damage(const std::string& file, std::size_t at) {
    auto bytes = ReadFile(file).value();
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    ASSERT_OK(WriteFileAtomically(file, bytes));
  }

  testing::TempDirectory directory_;
};

TEST_F(CheckpointTest, AManifestIsReadAsItWasWritten) {
  EXPECT_THAT(ParseManifest(ManifestJson(Manifest())).value(), testing::EqualsMessage(Manifest()));
}

TEST_F(CheckpointTest, NumbersAreNumbersInAManifest) {
  EXPECT_THAT(ManifestJson(Manifest()),
              AllOf(HasSubstr("\"audit_hash\": 18364758544493064720"), HasSubstr("\"size\": 0")));
}

TEST_F(CheckpointTest, AnythingButAManifestIsDataLossAndSaysWhy) {
  for (const char* text : {"", "{", "[]", "17", "null", "\"step\""})
    EXPECT_THAT(ParseManifest(text), StatusIs(Code::kDataLoss, HasSubstr("not an object"))) << text;
  const auto changed = [](auto change) {
    auto json = nlohmann::json::parse(ManifestJson(Manifest()));
    change(json);
    return ParseManifest(json.dump());
  };
  EXPECT_THAT(changed([](auto& json) { json["info"].erase("seed"); }),
              StatusIs(Code::kDataLoss, HasSubstr("no \"seed\"")));
  for (const auto& wrong : {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json("1"), nlohmann::json()}) {
    EXPECT_THAT(changed([&](auto& json) { json["info"]["step"] = wrong; }),
                StatusIs(Code::kDataLoss, HasSubstr("\"step\" is not an unsigned number")));
    EXPECT_THAT(changed([&](auto& json) { json["parts"][1]["size"] = wrong; }),
                StatusIs(Code::kDataLoss, HasSubstr("\"size\" is not an unsigned number")));
  }
  EXPECT_THAT(changed([](auto& json) { json["info"]["identity"] = 7; }),
              StatusIs(Code::kDataLoss, HasSubstr("not a text")));
  EXPECT_THAT(changed([](auto& json) { json["info"] = 7; }), StatusIs(Code::kDataLoss, HasSubstr("CheckpointInfo")));
  EXPECT_THAT(changed([](auto& json) { json.erase("parts"); }), StatusIs(Code::kDataLoss, HasSubstr("no \"parts\"")));
  EXPECT_THAT(changed([](auto& json) { json["parts"] = 7; }), StatusIs(Code::kDataLoss, HasSubstr("not a list")));
  EXPECT_THAT(changed([](auto& json) { json["parts"][0] = 7; }),
              StatusIs(Code::kDataLoss, HasSubstr("CheckpointPart")));
  EXPECT_THAT(changed([](auto& json) { json["parts"][1]["file"] = PartFile(0); }),
              StatusIs(Code::kDataLoss, HasSubstr("twice")));
  for (const char* outside : {"", ".", "..", "../step-00000001.g1/part-00000.safetensors", "/etc/passwd"}) {
    EXPECT_THAT(changed([&](auto& json) { json["parts"][0]["file"] = outside; }),
                StatusIs(Code::kDataLoss, HasSubstr("not the name of one")))
        << outside;
  }
}

TEST_F(CheckpointTest, OnlyExactNamesAreListedNewestFirst) {
  for (const char* name : {"step-00000080.g1", "step-00000100.g2", "step-00000100.g10", "step-00000100.g9.bad",
                           "step-00000600.g1.partial-1", "step-100.g1", "step-00000100.g", "step-00000100.g+3",
                           "step--0000001.g1", "notes", "step-123456789.g3"}) {
    ASSERT_OK(MakeDirectories(directory_ / name));
  }
  ASSERT_OK_AND_ASSIGN(const auto paths, ListCheckpoints(directory_.path()));
  EXPECT_THAT(paths, ElementsAre(directory_ / "step-123456789.g3", directory_ / "step-00000100.g10",
                                 directory_ / "step-00000100.g2", directory_ / "step-00000080.g1"));
  ASSERT_OK_AND_ASSIGN(const auto none, ListCheckpoints(directory_ / "none"));
  EXPECT_THAT(none, IsEmpty());
}

TEST_F(CheckpointTest, AnIntactCheckpointPassesVerification) {
  const std::string path = WriteInTwoParts();
  ASSERT_OK_AND_ASSIGN(const v1::CheckpointManifest manifest, ReadManifest(path));
  EXPECT_THAT(manifest.info(), testing::EqualsMessage(Info()));
  EXPECT_EQ(manifest.parts_size(), 2);
  EXPECT_OK(VerifyParts(path, manifest));
}

TEST_F(CheckpointTest, AFlippedBitATornAndAMissingPartAreNamed) {
  const std::string path = WriteInTwoParts();
  ASSERT_OK_AND_ASSIGN(const v1::CheckpointManifest manifest, ReadManifest(path));
  const std::string part = JoinPath(path, PartFile(1));
  for (const std::uint64_t at : {std::uint64_t{0}, *FileSize(part) / 2, *FileSize(part) - 1}) {
    Damage(part, at);
    EXPECT_THAT(VerifyParts(path, manifest), StatusIs(Code::kDataLoss, HasSubstr(part))) << at;
    Damage(part, at);
  }
  EXPECT_OK(VerifyParts(path, manifest));
  std::filesystem::resize_file(part, *FileSize(part) / 2);
  EXPECT_THAT(VerifyParts(path, manifest), StatusIs(Code::kDataLoss, HasSubstr(part)));
  std::filesystem::remove(part);
  EXPECT_THAT(VerifyParts(path, manifest), StatusIs(Code::kNotFound, HasSubstr(part)));
}

TEST_F(CheckpointTest, AMissingTornOrMovedManifestIsNamed) {
  const std::string path = WriteInTwoParts();
  const std::string file = JoinPath(path, kManifestFile);
  const std::string renamed = CheckpointPath(directory_.path(), 18, 1);
  std::filesystem::rename(path, renamed);
  EXPECT_THAT(ReadManifest(renamed), StatusIs(Code::kDataLoss, HasSubstr("of step 17, generation 1")));
  EXPECT_THAT(CheckpointHash(renamed), StatusIs(Code::kDataLoss));
  std::filesystem::rename(renamed, directory_ / "copy");
  EXPECT_OK(ReadManifest(directory_ / "copy"));
  std::filesystem::rename(directory_ / "copy", path);
  std::filesystem::resize_file(file, *FileSize(file) / 2);
  EXPECT_THAT(ReadManifest(path), StatusIs(Code::kDataLoss, HasSubstr(file)));
  std::filesystem::remove(file);
  EXPECT_THAT(ReadManifest(path), StatusIs(Code::kNotFound, HasSubstr(file)));
  EXPECT_THAT(CheckpointHash(path), StatusIs(Code::kNotFound, HasSubstr(file)));
}

TEST_F(CheckpointTest, TheHashDependsOnTheStateAndNotOnTheCutOrTheGeneration) {
  ASSERT_OK_AND_ASSIGN(const std::string two, CheckpointHash(WriteInTwoParts(1)));
  const std::string one_part =
      Write(State(), {{"second.matrix", "second.bias", "matrix", "bias", "first.matrix", "first.bias"}}, 2);
  ASSERT_OK_AND_ASSIGN(const std::string one, CheckpointHash(one_part));
  EXPECT_EQ(one, two);
  EXPECT_EQ(one.size(), 64u);
}

TEST_F(CheckpointTest, TheHashCoversNamesShapesAndEveryValue) {
  const std::vector<std::string> names = {"bias",   "first.bias",  "first.matrix",
                                          "matrix", "second.bias", "second.matrix"};
  ASSERT_OK_AND_ASSIGN(const std::string hash, CheckpointHash(Write(State(), {names}, 1)));
  std::uint64_t generation = 1;
  for (const std::string& name : names) {
    Tensors other = State();
    other[name].back() += 1;
    ASSERT_OK_AND_ASSIGN(const std::string changed, CheckpointHash(Write(other, {names}, ++generation)));
    EXPECT_NE(changed, hash) << name;
  }
  Tensors renamed = State();
  renamed["other"] = renamed["bias"];
  ASSERT_OK_AND_ASSIGN(const std::string changed,
                       CheckpointHash(Write(renamed, {{"other"}, {names.begin() + 1, names.end()}}, 50)));
  EXPECT_NE(changed, hash);
}

TEST_F(CheckpointTest, TheHashRefusesATensorInTwoPartsAndACheckpointWithoutTensors) {
  EXPECT_THAT(CheckpointHash(Write(State(), {{"bias", "matrix"}, {"bias"}}, 1)),
              StatusIs(Code::kDataLoss, HasSubstr("'bias' is in another part")));
  EXPECT_THAT(CheckpointHash(Write(State(), {}, 2)), StatusIs(Code::kDataLoss, HasSubstr("no tensor")));
}

TEST_F(CheckpointTest, TheNewestAndEveryNthAreKept) {
  const std::vector<std::uint64_t> steps = {10, 20, 30, 40, 45, 50};
  EXPECT_THAT(StepsToRetire(steps, 2, 0), ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(StepsToRetire(steps, 2, 20), ElementsAre(10, 30));
  EXPECT_THAT(StepsToRetire(steps, 0, 0), ElementsAre(10, 20, 30, 40, 45));
  EXPECT_THAT(StepsToRetire(steps, 6, 0), IsEmpty());
  EXPECT_THAT(StepsToRetire(steps, 100, 7), IsEmpty());
  EXPECT_THAT(StepsToRetire({}, 1, 0), IsEmpty());
}

}  // namespace
}  // namespace still
