// Compares our WordPiece with the `tokenizers` wheel of Hugging Face, which tokenizers_reference.py runs.
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/storage/files.h"
#include "shards/dump/wikipedia.h"
#include "shards/text/books.h"
#include "shards/text/html_entities.h"
#include "shards/text/wikitext.h"
#include "shards/text/wordpiece.h"
#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

class TokenizerReferenceTest : public TextFixture {
 protected:
  void SetUp() override {
    const char* set = std::getenv("STILLHOUSE_PYTHON");
    const std::string root = STILLHOUSE_SOURCE_DIR;
    for (const std::string& candidate :
         {std::string(set == nullptr ? "" : set), root + "/.venv-hf/bin/python", root + "/.venv/bin/python"}) {
      if (candidate.empty() || access(candidate.c_str(), X_OK) != 0) continue;
      if (std::system((candidate + " -c 'import tokenizers' 2>/dev/null").c_str()) != 0) continue;
      python_ = candidate;
      return;
    }
    GTEST_SKIP() << "no Python with the `tokenizers` wheel: run scripts/setup.sh, or set STILLHOUSE_PYTHON";
  }

  // Compares ids line by line.
  void ExpectEqual(const std::string& vocab, bool lowercase, const std::string& text) {
    const std::string input = Write("lines.txt", text);
    const std::string output = directory_ + "/ids";
    const std::string command = python_ + " " STILLHOUSE_SOURCE_DIR "/tests/shards/text/tokenizers_reference.py " +
                                vocab + (lowercase ? " uncased " : " cased ") + input + " " + output;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(vocab, lowercase));
    const std::string reference = *ReadFile(output);
    std::size_t at = 0;
    const auto next = [&] {
      EXPECT_LE(at + 4, reference.size());
      at += 4;
      return LoadLittleEndian<std::uint32_t>(AsBytes(std::string_view(reference)).data() + at - 4);
    };
    int differences = 0;
    for (std::string_view rest = text; differences < 10;) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      std::vector<TokenId> expected(next());
      for (TokenId& id : expected) id = static_cast<TokenId>(next());
      std::vector<TokenId> ids;
      tokenizer.Encode(line, &ids);
      if (ids != expected) {
        ++differences;
        ADD_FAILURE() << "line: " << line;
      }
      if (line.size() == rest.size()) break;
      rest.remove_prefix(line.size() + 1);
    }
    if (differences == 0) {
      EXPECT_EQ(at, reference.size());
    }
  }

  std::string python_;
};

TEST_F(TokenizerReferenceTest, EqualOnEveryLineOfTheDemoCorpus) {
  STILL_NEED_DEMO_DATA(vocab, "teacher/vocab.txt");
  STILL_NEED_DEMO_DATA(dump, "wikipedia.xml.bz2");
  STILL_NEED_DEMO_DATA(books, "books");
  std::string text;
  const auto counts = ReadWikipedia(dump, [&text](WikipediaPage&& page, std::uint64_t) {
    text += page.text + "\n" + PlainText(page.text);  // raw wikitext has more unusual characters
    return Ok();
  });
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  for (const BookFile& book : *ListBooks({books})) text += *BookText(book.path, *ReadFile(book.path));
  ExpectEqual(vocab, true, text);
}

TEST_F(TokenizerReferenceTest, EqualOnEveryCharacterOfUnicode) {
  STILL_NEED_DEMO_DATA(vocab, "teacher/vocab.txt");
  std::string text;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c == '\n' || (c >= 0xD800 && c < 0xE000)) continue;
    text += "a";
    AppendUtf8(c, &text);
    text += "b\n";
  }
  ExpectEqual(vocab, true, text);
  ExpectEqual(vocab, false, text);
}

}  // namespace
}  // namespace still::shards
