#include "common/digest.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/storage/file_digest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still {
namespace {

using still::testing::StatusIs;
using still::testing::TempDirectory;

TEST(DigestTest, Sha256MatchesFips180) {
  EXPECT_EQ(Hex(Sha256Of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256Of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 sha;
  for (int i = 0; i < 1000; ++i) sha.Update(std::string(1000, 'a'));
  EXPECT_EQ(Hex(sha.Finish()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(DigestTest, TheSha256OfAFileIsThatOfItsBytes) {
  const TempDirectory directory;
  const std::string contents(3'000'001, 'x');  // more than two reads
  std::ofstream(directory / "file") << contents;
  ASSERT_OK_AND_ASSIGN(const Sha256Digest digest, Sha256OfFile(directory / "file"));
  EXPECT_EQ(digest, Sha256Of(contents));
  EXPECT_THAT(Sha256OfFile(directory / "absent"), StatusIs(Code::kNotFound, ::testing::HasSubstr("absent")));
  EXPECT_THAT(Sha256OfFile(directory.path()), StatusIs(Code::kInvalidArgument));
}

TEST(DigestTest, Sha1MatchesFips180) {
  EXPECT_EQ(Hex(Sha1Of("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(Hex(Sha1Of("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(DigestTest, Base36IsPaddedTo31Digits) {
  EXPECT_EQ(Base36(Sha1Of("")), "phoiac9h4m842xq45sp7s6u21eteeq1");  // MediaWiki's sha1 of an empty revision
  Sha1Digest small{};
  small.back() = 36;
  EXPECT_EQ(Base36(small), std::string(29, '0') + "10");
  Sha1Digest largest;
  largest.fill(0xff);
  EXPECT_EQ(Base36(largest), "twj4yidkw7a8pn4g709kzmfoaol3x8f");
}

TEST(DigestTest, Crc32cMatchesRfc3720) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283);
  EXPECT_EQ(Crc32c(AsBytes(std::string(32, '\0'))), 0x8A9136AA);
  EXPECT_EQ(Crc32c(AsBytes(std::string(32, '\xff'))), 0x62A8AB43);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(DigestTest, Crc32cContinuesFromASeedAndBothWaysAgree) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto head = AsBytes(std::string_view(text).substr(0, cut));
    const auto tail = AsBytes(std::string_view(text).substr(cut));
    EXPECT_EQ(Crc32c(tail, Crc32c(head)), Crc32c(AsBytes(text))) << cut;
    EXPECT_EQ(~internal::Crc32cByTables(tail, ~Crc32c(head)), Crc32c(AsBytes(text))) << cut;
  }
}

TEST(DigestTest, AnIdentityHoldsEveryFieldInOrder) {
  IdentityBuilder identity("corpus");
  identity.Add("vocab", "abc").Add("shards", std::uint64_t{18446744073709551615u}).Add("rate", 0.1);
  EXPECT_EQ(identity.text(), "kind=corpus\nvocab=abc\nshards=18446744073709551615\nrate=0.1\n");
  EXPECT_EQ(identity.Digest(), Hex(Sha256Of(identity.text())).substr(0, 16));
}

TEST(DigestTest, NoValueCanImitateAnotherField) {
  IdentityBuilder one("k");
  one.Add("a", "1\nb=2");
  IdentityBuilder two("k");
  two.Add("a", "1").Add("b", "2");
  EXPECT_NE(one.Digest(), two.Digest());
  EXPECT_TRUE(two.Has("b", "2"));
  EXPECT_FALSE(one.Has("b", "2"));
  EXPECT_TRUE(one.Has("a", "1\nb=2"));
  EXPECT_FALSE(two.Has("b", "")) << "a beginning of the value is another value";
}

}  // namespace
}  // namespace still
