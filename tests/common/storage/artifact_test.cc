#include "common/storage/artifact.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;
using ::testing::HasSubstr;

TEST(ArtifactTest, AnArtifactExistsOnceCommittedUnderTheDigestOfItsIdentity) {
  const TempDirectory directory;
  const ArtifactStore store(directory / "artifacts");
  IdentityBuilder identity("corpus");
  identity.Add("vocab", "abc");
  const std::string digest = identity.Digest();
  { ASSERT_OK_AND_ASSIGN(auto abandoned, store.Begin("corpus", identity)); }
  EXPECT_FALSE(store.Has("corpus", digest));
  ASSERT_OK_AND_ASSIGN(auto staged, store.Begin("corpus", identity));
  ASSERT_OK(WriteSummary(staged->path(), {{"tokens", 5}}));
  ASSERT_OK(CommitArtifact(*staged));
  EXPECT_TRUE(store.Has("corpus", digest));
  EXPECT_EQ(store.PathOf("corpus", digest), directory / "artifacts/corpus/" + digest);
  EXPECT_EQ(*ReadFile(store.PathOf("corpus", digest) + "/identity.txt"), identity.text());
}

TEST(ArtifactTest, TheSecondProcessThatBuildsTheSameSucceedsToo) {
  const TempDirectory directory;
  const ArtifactStore store(directory.path());
  const IdentityBuilder identity("export");
  ASSERT_OK_AND_ASSIGN(auto staged, store.Begin("export", identity));
  ASSERT_OK(MakeDirectories(store.PathOf("export", identity.Digest())));
  EXPECT_OK(CommitArtifact(*staged));
}

TEST(ArtifactTest, ASummaryIsReadBackExactly) {
  const TempDirectory directory;
  const Summary summary = {{"tokens", 123456789012.0}, {"loss", 0.1}, {"third", 1.0 / 3}, {"tiny", 5e-324}};
  ASSERT_OK(WriteSummary(directory.path(), summary));
  ASSERT_OK_AND_ASSIGN(const Summary read, ReadSummary(directory.path()));
  EXPECT_EQ(read, summary);
  ASSERT_OK(WriteSummary(directory.path(), {{"diverged", INFINITY}}));
  EXPECT_TRUE(std::isnan(ReadSummary(directory.path())->at("diverged")));
}

TEST(ArtifactTest, ADamagedSummaryIsDataLoss) {
  const TempDirectory directory;
  EXPECT_THAT(ReadSummary(directory.path()), StatusIs(Code::kNotFound));
  for (const char* text : {"", "{\"a\": 1", "[1]", "{\"a\": \"x\"}"}) {
    ASSERT_OK(WriteFileAtomically(directory / "summary.json", text));
    EXPECT_THAT(ReadSummary(directory.path()), StatusIs(Code::kDataLoss, HasSubstr("summary.json"))) << text;
  }
}

}  // namespace
}  // namespace still
