// A dump that is read in splits gives the same pages, wherever it is cut.
#include <gmock/gmock.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/random.h"
#include "shards/dump/wikipedia.h"
#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

using Page = std::tuple<std::uint64_t, std::string, std::string, std::uint64_t>;  // id, title, text, offset

class WikipediaSplitsTest : public TextFixture {
 protected:
  static Page PageOf(const WikipediaPage& page, std::uint64_t text_begin) {
    return {page.id, page.title, page.text, text_begin + page.byte_offset};
  }

  static Result<std::vector<Page>> ReadWhole(const std::string& path) {
    std::vector<Page> pages;
    STILL_RETURN_IF_ERROR(ReadWikipedia(path, [&](WikipediaPage&& page, std::uint64_t) {
                            pages.push_back(PageOf(page, 0));
                            return Ok();
                          }).status());
    return pages;
  }

  static Result<std::vector<Page>> ReadInSplits(const std::string& path, std::uint64_t split_bytes) {
    std::vector<std::vector<WikipediaPage>> pages;
    std::vector<DumpJoin> joins;
    const std::uint64_t size = std::filesystem::file_size(path);
    for (std::uint64_t begin = 0; begin < size; begin += split_bytes) {
      pages.emplace_back();
      STILL_ASSIGN_OR_RETURN(const WikipediaSplit split,
                             ReadWikipediaSplit(path, begin, std::min(begin + split_bytes, size),
                                                [&](WikipediaPage&& page, std::uint64_t) {
                                                  pages.back().push_back(std::move(page));
                                                  return Ok();
                                                }));
      EXPECT_EQ(split.counts.pages, pages.back().size());
      joins.push_back(split.join);
    }
    STILL_ASSIGN_OR_RETURN(const auto text_begins, CheckDumpJoins(path, size, joins));
    std::vector<Page> all;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      for (const WikipediaPage& page : pages[i]) all.push_back(PageOf(page, text_begins[i]));
    }
    return all;
  }

  static std::string Xml(int pages) {
    std::string xml;
    for (int i = 0; i < pages; ++i) {
      std::string text = "text " + std::to_string(i * 7919 % 1000);
      for (int word = 0; word < i * i % 97; ++word) text += " word " + std::to_string(word * i);
      xml += "  " + PageXml(i + 1, "Page " + std::to_string(i), text);
    }
    return DumpXml(xml);
  }
};

TEST_F(WikipediaSplitsTest, SplitsOfAnySizeGiveTheSamePages) {
  const std::string xml = Xml(40);
  // The blocks end after every few bytes, in the middle of "<page>", or after many pages.
  for (const std::size_t block_bytes : {3, 50, 333, 2000, 100000}) {
    const std::string part = xml.substr(0, block_bytes == 3 ? 1500 : xml.size());
    const std::string whole = part.size() == xml.size() ? xml : DumpXml(PageXml(1, "A", "x") + PageXml(2, "B", "y"));
    const std::string path = Write("dump.xml.bz2", CompressedInStreams(whole, block_bytes));
    ASSERT_OK_AND_ASSIGN(const auto pages, ReadWhole(path));
    ASSERT_FALSE(pages.empty());
    for (const std::uint64_t split_bytes : {11, 64, 150, 700, 5000, 1 << 20}) {
      ASSERT_OK_AND_ASSIGN(const auto in_splits, ReadInSplits(path, split_bytes));
      EXPECT_EQ(in_splits, pages) << "blocks of " << block_bytes << ", splits of " << split_bytes;
    }
  }
}

TEST_F(WikipediaSplitsTest, BlocksOfOneStreamGiveTheSamePages) {
  const std::string path = Write("dump.xml.bz2", Compressed(Xml(1500)));
  ASSERT_OK_AND_ASSIGN(const auto pages, ReadWhole(path));
  ASSERT_EQ(pages.size(), 1500u);
  for (const std::uint64_t split_bytes : {1000, 30000, 100000}) {
    ASSERT_OK_AND_ASSIGN(const auto in_splits, ReadInSplits(path, split_bytes));
    EXPECT_EQ(in_splits, pages) << split_bytes;
  }
}

TEST_F(WikipediaSplitsTest, AMagicInTheDataOfEveryBlockChangesNothing) {
  for (const std::uint64_t magic : {0x314159265359, 0x177245385090}) {
    std::string pages;
    for (int i = 0; i < 12; ++i) pages += PageXml(i + 1, "Page", CharactersThatSpell(magic) + std::to_string(i));
    const std::string xml = DumpXml(pages);
    const std::string path = Write("dump.xml.bz2", CompressedInStreams(xml, PageXml(1, "", "").size() * 3));
    ASSERT_OK_AND_ASSIGN(const auto whole, ReadWhole(path));
    ASSERT_EQ(whole.size(), 12u);
    for (std::uint64_t split_bytes = 1; split_bytes < 60; ++split_bytes) {
      ASSERT_OK_AND_ASSIGN(const auto in_splits, ReadInSplits(path, split_bytes));
      EXPECT_EQ(in_splits, whole) << split_bytes;
    }
  }
}

TEST_F(WikipediaSplitsTest, ADamagedDumpIsDataLossOrTheSamePages) {
  const std::string bytes = CompressedInStreams(Xml(40), 3000);
  ASSERT_OK_AND_ASSIGN(const auto pages, ReadWhole(Write("good.xml.bz2", bytes)));
  KeyedRandom random(MixKey({5, 2026}));
  for (int i = 0; i < 200; ++i) {
    std::string damaged = bytes;
    const auto bit = static_cast<std::size_t>(random.NextUnit() * static_cast<double>(bytes.size() * 8));
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    if (i % 4 == 0) damaged = bytes.substr(0, bit / 8 + 1);
    if (i % 4 == 1) damaged = bytes.substr(0, bit / 8) + bytes.substr(std::min(bytes.size(), bit / 8 + 900));
    const auto read = ReadInSplits(Write("bad.xml.bz2", damaged), 500);
    if (read.ok()) {
      EXPECT_EQ(*read, pages) << "bit " << bit;
    } else {
      EXPECT_THAT(read, StatusIs(Code::kDataLoss)) << "bit " << bit;
    }
  }
}

// Both halves are whole. Only a comparison of the two shows that something is missing between them.
TEST_F(WikipediaSplitsTest, ALostStreamOfPagesIsFoundByItsXml) {
  const std::string xml = Xml(10);
  const std::size_t middle = xml.find("<page>", xml.size() / 2);
  const std::string lost = Compressed(xml.substr(0, middle - 2)) + Compressed(xml.substr(middle + 10));
  const std::string path = Write("lost.xml.bz2", lost);
  EXPECT_THAT(ReadInSplits(path, 100), StatusIs(Code::kDataLoss));
  EXPECT_THAT(ReadInSplits(path, 1 << 20), StatusIs(Code::kDataLoss));
}

TEST_F(WikipediaSplitsTest, APageInsideOfAnotherElementIsFound) {
  // No export has comments. A split that begins in one cannot tell; the comparison with the split before can.
  const std::string xml = DumpXml(PageXml(1, "A", "x") + "<!-- <page> -->" + PageXml(2, "B", "y"));
  const std::string path = Write("comment.xml.bz2", CompressedInStreams(xml, xml.find("<!--")));
  EXPECT_EQ(ReadWhole(path)->size(), 2u);
  EXPECT_THAT(ReadInSplits(path, 100), StatusIs(Code::kDataLoss));
}

TEST_F(WikipediaSplitsTest, AnErrorNamesThePlaceThatItsLinesCountFrom) {
  std::string xml = DumpXml(PageXml(1, "Good", "x") + PageXml(2, "Fine", "y") + PageXml(42, "Bad", "original"));
  xml.replace(xml.find("original"), 8, "tampered");
  const std::size_t cut = xml.find("<page><title>Fine");
  const std::string first = Compressed(xml.substr(0, cut));
  const std::string path = Write("bad.xml.bz2", first + Compressed(xml.substr(cut)));
  const auto read =
      ReadWikipediaSplit(path, first.size(), 1 << 20, [](WikipediaPage&&, std::uint64_t) { return Ok(); });
  EXPECT_THAT(read, StatusIs(Code::kDataLoss, HasSubstr("XML line 2 from the first page after compressed byte " +
                                                        std::to_string(first.size() + 4) + " in page 42 'Bad'")));
}

}  // namespace
}  // namespace still::shards
