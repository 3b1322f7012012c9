#include "shards/dump/wikipedia.h"

#include <gmock/gmock.h>

#include <vector>

#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

class WikipediaTest : public TextFixture {
 protected:
  Result<WikipediaCounts> Read(const std::string& xml) {
    path_ = Write("dump.xml.bz2", Compressed(xml));
    pages_.clear();
    return ReadWikipedia(path_, [this](WikipediaPage&& page, std::uint64_t) {
      pages_.push_back(std::move(page));
      return Ok();
    });
  }

  std::string path_;
  std::vector<WikipediaPage> pages_;
};

TEST_F(WikipediaTest, EveryRevisionOfTheDemoDumpMatchesItsSha1) {
  STILL_NEED_DEMO_DATA(dump, "wikipedia.xml.bz2");
  const auto counts = ReadWikipedia(dump, [](WikipediaPage&&, std::uint64_t) { return Ok(); });
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_EQ(counts->pages, 206u);
  EXPECT_EQ(counts->articles, 106u);
  EXPECT_EQ(counts->redirects, 100u);
  EXPECT_EQ(counts->sha1_verified, 206u);
  EXPECT_EQ(counts->sha1_missing, 0u);
}

TEST_F(WikipediaTest, FieldsComeFromTheirOwnLevelAndRedirectsAreNoArticles) {
  const std::string first = PageXml(12, "Anarchism", "some text");
  ASSERT_OK(Read(DumpXml(first + PageXml(10, "Old", "#REDIRECT", "<redirect title=\"New\" />"))));
  ASSERT_EQ(pages_.size(), 2u);
  EXPECT_EQ(pages_[0].id, 12u);
  EXPECT_EQ(pages_[0].title, "Anarchism");
  EXPECT_EQ(pages_[0].text, "some text");
  EXPECT_TRUE(pages_[0].IsArticle());
  EXPECT_TRUE(pages_[1].redirect);
  EXPECT_FALSE(pages_[1].IsArticle());
  EXPECT_EQ(pages_[1].byte_offset, DumpXml("").find("</mediawiki>") + first.size());
}

TEST_F(WikipediaTest, TextSplitByEntitiesAndBuffersIsWhole) {
  std::string text;
  std::string escaped;
  for (int i = 0; i < 100000; ++i) {
    text += "a<b>&\xC3\xA9\n";
    escaped += "a&lt;b&gt;&amp;\xC3\xA9\n";
  }
  std::string xml = DumpXml(PageXml(1, "Big", text));
  xml.replace(xml.find(text), text.size(), escaped);
  ASSERT_OK_AND_ASSIGN(const auto counts, Read(xml));
  EXPECT_EQ(counts.sha1_verified, 1u);
  EXPECT_EQ(pages_[0].text, text);
}

TEST_F(WikipediaTest, AWrongSha1NamesPageAndBothDigests) {
  std::string xml = DumpXml(PageXml(1, "Good", "x") + PageXml(42, "Bad", "original"));
  xml.replace(xml.find("original"), 8, "tampered");
  EXPECT_THAT(Read(xml), StatusIs(Code::kDataLoss,
                                  AllOf(HasSubstr(path_), HasSubstr("page 42"), HasSubstr("line 4"),
                                        HasSubstr(Base36(Sha1Of("original"))), HasSubstr(Base36(Sha1Of("tampered"))))));
  EXPECT_EQ(pages_.size(), 1u);
}

TEST_F(WikipediaTest, XmlThatEndsInAPageNamesThePageAndLine) {
  const std::string xml = DumpXml(PageXml(1, "Whole", "x") + PageXml(42, "Cut", "long text"));
  const Status status = Read(xml.substr(0, xml.find("long text") + 4)).status();
  EXPECT_THAT(status, StatusIs(Code::kDataLoss, AllOf(HasSubstr("line 4"), HasSubstr("page 42"))));
  EXPECT_EQ(Read(DumpXml(PageXml(1, "A", "x")).substr(0, 60)).status().code(), Code::kDataLoss);
}

TEST_F(WikipediaTest, ADoctypeIsRefusedBeforeItsEntitiesExpand) {
  const Status status = Read("<!DOCTYPE m [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>" + DumpXml("&b;")).status();
  EXPECT_EQ(status.code(), Code::kDataLoss);
}

TEST_F(WikipediaTest, HiddenTextWithoutSha1IsCountedNotVerified) {
  std::string page = PageXml(1, "Hidden", "");
  const std::size_t begin = page.find("<sha1>");
  page.replace(begin, page.find("</sha1>") - begin, "<sha1>");
  ASSERT_OK_AND_ASSIGN(const auto counts, Read(DumpXml(page)));
  EXPECT_EQ(counts.sha1_verified, 0u);
  EXPECT_EQ(counts.sha1_missing, 1u);
}

TEST_F(WikipediaTest, AnErrorOfTheSinkEndsTheReadingUnchanged) {
  const std::string path = Write("dump.xml.bz2", Compressed(DumpXml(PageXml(1, "A", "x") + PageXml(2, "B", "y"))));
  int calls = 0;
  const auto counts = ReadWikipedia(path, [&](WikipediaPage&&, std::uint64_t) {
    ++calls;
    return Error(Code::kCancelled, "stop");
  });
  EXPECT_EQ(counts.status().ToString(), "CANCELLED: stop");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace still::shards
