#include "shards/text/wikitext.h"

#include <gmock/gmock.h>

#include "shards/dump/wikipedia.h"
#include "tests/shards/text/text_fixture.h"

namespace still::shards {
namespace {

struct Example {
  const char* wikitext;
  const char* text;
};

void ExpectAll(std::initializer_list<Example> examples) {
  for (const Example& example : examples) {
    std::string expected = example.text;
    if (!expected.empty()) expected += "\n";
    EXPECT_EQ(PlainText(example.wikitext), expected) << "from: " << example.wikitext;
  }
}

TEST(WikitextTest, LinksShowTheirText) {
  ExpectAll({{"a [[b]] c", "a b c"},
             {"[[b (x)|b]]s", "bs"},
             {"[[:Category:Physics]]", "Category:Physics"},
             {"x [[File:a.jpg|thumb|A [[nested]] {{convert|3|m}} [http://c d] caption]] y", "x y"},
             {"x[[Category:Physics]]", "x"},
             {"x [[fr:Anarchisme]]", "x"},
             {"[http://a.org the text] and [http://b.org] and [1]", "the text and and [1]"},
             {"an [[unclosed link|text\n\nnext", "an unclosed link|text\nnext"}});
}

TEST(WikitextTest, IndentationAloneIsNoMarkup) {
  for (const char* line : {":", "::", ": :", ":::"}) {
    const std::string text = PlainText(std::string("Intro\n") + line + "\nMore");
    EXPECT_NE(text.find("Intro"), std::string::npos) << line;
    EXPECT_NE(text.find("More"), std::string::npos) << line;
  }
}

TEST(WikitextTest, NumbersInTemplatesAreKept) {
  ExpectAll({{"length of {{convert|7.7|mm|in}} and", "length of 7.7 mm and"},
             {"{{convert|652230|km2|sqmi|abbr=on}}", "652,230 km2"},
             {"{{convert|40|to|50|cm|in}}, {{Convert|200|-|350|g|oz}}", "40 to 50 cm, 200–350 g"},
             {"{{convert|5|ft|11|in|m}}", "5 ft 11 in"},
             {"{{convert|20|C|F}}", "20 °C"},
             {"{{formatnum:1234567.5}} in {{as of|2015|3|lc=y}}", "1,234,567.5 in as of March 2015"},
             {"{{val|1.5|e=9|u=m}} {{frac|1|3|4}} {{circa|300}}", "1.5×10^9 m 1 3/4 c. 300"},
             {"10<sup>9</sup> km<sup>2</sup> of H<sub>2</sub>O, {{chem|C|O|2}}", "10^9 km2 of H2O, CO2"}});
}

TEST(WikitextTest, OtherTemplatesShowTheirTextOrNothing) {
  ExpectAll(
      {{"{{Infobox country\n| name = X\n| map = [[File:x.png]]\n}}Text{{citation needed|date=May 2015}}.", "Text."},
       {"({{lang|grc|ἀρχή}}, {{nowrap|two words}})", "(ἀρχή, two words)"},
       {"Albedo ({{IPAc-en|æ|l}}), or", "Albedo, or"},
       {"Tokyo ({{lang-ja|東京}}; {{IPA-ja|to}})", "Tokyo (東京)"},
       {"{{nowrap|{{lang|la|[[a|b]]}} {{unknown|{{convert|1|m}}}}}}!", "b!"},
       {"{{lang|1=fr|2=mot}}", "mot"}});
}

TEST(WikitextTest, ElementsThatAreNotProseAreDroppedWithTheirContents) {
  ExpectAll(
      {{"a<ref name=\"x\">{{cite|url=http://a}}</ref> b<ref name=x /> c<!-- no\nno --> d", "a b c d"},
       {"f <math>\\frac{1}{2}</math> g<gallery>\nFile:a.jpg|x\n</gallery>", "f g"},
       {"before\n{| class=\"x\"\n! a || b\n|-\n| {{x|y}} || [[c]]\n{|\n| nested\n|}\n|}\nafter", "before\nafter"},
       {"<nowiki>[[x]] &amp; {{y}}</nowiki> '''bold''' ''it'' '''''both''''' it's", "[[x]] & {{y}} bold it both it's"},
       {"a <b class=\"x\">bold</b><br/>c __NOTOC__ 3 < 4 <http://x>", "a bold c 3 < 4 <http://x>"},
       {"R&amp;D&nbsp;&ndash; &#8364;5 &#x41; &unknown; &#0;", "R&D – €5 A &unknown; &#0;"}});
}

TEST(WikitextTest, HeadingsAndListItemsAreLines) {
  ExpectAll({{"== A ==\ntext\n* one\n** two\n# three\n; term : x\n:: y", "A\ntext\none\ntwo\nthree\nterm: x\ny"},
             {"== Empty ==\n== Also ==\n=== Full ===\nx\n== End ==\n{{reflist}}", "Also\nFull\nx"},
             {"a ( ) b (, c) d ( e ) . [ ]", "a b (c) d (e). [ ]"}});
}

TEST(WikitextTest, AnUnclosedTemplateOrTableEndsAtTheNextHeading) {
  ExpectAll({{"a {{cite|b\nc\n==H==\nd", "a\nH\nd"},
             {"a\n{|\n| b\n==H==\nd", "a\nH\nd"},
             {"a }} b ]] c |} d", "a }} b ]] c |} d"}});
}

// Quadratic work on 2 MB would not end within the test's time limit.
TEST(WikitextTest, MalformedMarkupTakesLinearTime) {
  constexpr int kTimes = 200000;
  for (const std::string open :
       {"{{",       "[[",  "{{nowrap|", "[[a|", "[http://a b", "<ref>",   "<!--", "<math ", "{|\n", "\n{|",
        "<nowiki>", "'''", "(;",        "&amp", "__A",         "[[File:", "{{{",  "|",      "=\n",  "==a==\n"}) {
    std::string text;
    for (int i = 0; i < kTimes; ++i) text += open;
    PlainText(text);
    for (const char* close : {"}}", "]]", "]", ")", "|}", "</ref>"}) {
      std::string closed = text;
      for (int i = 0; i < kTimes; ++i) closed += close;
      PlainText(closed);
    }
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{{nowrap|x";
  for (int i = 0; i < 100000; ++i) deep += "}}";
  EXPECT_EQ(PlainText(deep + " end").substr(40), " end\n");
}

TEST(WikitextTest, DemoArticlesAreReadableText) {
  STILL_NEED_DEMO_DATA(dump, "wikipedia.xml.bz2");
  std::string text;
  std::size_t wikitext_bytes = 0;
  const auto counts = ReadWikipedia(dump, [&](WikipediaPage&& page, std::uint64_t) {
    if (page.IsArticle()) text += PlainText(page.text), wikitext_bytes += page.text.size();
    return Ok();
  });
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  EXPECT_GT(text.size(), wikitext_bytes / 2);
  const auto count = [&text](std::string_view what) {
    int found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  };
  for (const char* markup : {"{{", "[[", "]]", "{|", "'''", "<ref", "</", "&nbsp;", "()", "Category:", "thumb|"}) {
    EXPECT_LE(count(markup), 2) << markup;
  }
  EXPECT_EQ(count("average length of 7.7 mm and is part of"), 1);
  EXPECT_EQ(count("land area of 179 km2"), 1);
}

}  // namespace
}  // namespace still::shards
