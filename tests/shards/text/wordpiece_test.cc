#include "shards/text/wordpiece.h"

#include <gmock/gmock.h>

#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::HasSubstr;

constexpr char kSpecials[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

class TokenizerTest : public TextFixture {
 protected:
  Status LoadStatus(const std::string& vocabulary) {
    return Tokenizer::Load(Write("vocab.txt", vocabulary), true).status();
  }
};

std::string Pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  tokenizer.Encode(text, &ids);
  std::string out;
  for (const TokenId id : ids) out.append(out.empty() ? "" : " ").append(tokenizer.Piece(id));
  return out;
}

TEST_F(TokenizerTest, TakesTheLongestPieceOrMakesTheWholeWordUnknown) {
  const auto tokenizer =
      Tokenizer::Load(Write("vocab.txt", std::string(kSpecials) + "un\nunable\n##able\n##a\na\n"), true);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ(Pieces(*tokenizer, "unable ununable Unablea a"), "unable [UNK] unable ##a a");
  EXPECT_EQ(Pieces(*tokenizer, "una\xFFxa un\xC3"), "[UNK] un");  // bytes that are not UTF-8 are skipped
  EXPECT_EQ(Pieces(*tokenizer, ""), "");
  EXPECT_EQ(tokenizer->special_tokens().mask, 4);
}

TEST_F(TokenizerTest, FingerprintDependsOnVocabularyAndCase) {
  const std::string path = Write("vocab.txt", kSpecials);
  const std::string uncased = Tokenizer::Load(path, true)->fingerprint();
  EXPECT_EQ(uncased, Tokenizer::Load(path, true)->fingerprint());
  EXPECT_NE(uncased, Tokenizer::Load(path, false)->fingerprint());
  EXPECT_NE(uncased, Tokenizer::Load(Write("other.txt", std::string(kSpecials) + "a\n"), true)->fingerprint());
}

TEST_F(TokenizerTest, BadVocabulariesNameTheLine) {
  const std::string specials = kSpecials;
  EXPECT_THAT(LoadStatus(specials + "a\nb\na\n").message(), AllOf(HasSubstr("line 6"), HasSubstr("line 8")));
  EXPECT_THAT(LoadStatus("[PAD]\n[UNK]\n[CLS]\n[SEP]\n").message(), HasSubstr("[MASK]"));
  EXPECT_THAT(LoadStatus("[PAD]\n[CLS]\n[SEP]\n[MASK]\n").message(), HasSubstr("[UNK]"));
  EXPECT_THAT(LoadStatus("[PAD]\r\n[UNK]\r\n").message(), HasSubstr("line 1"));
  EXPECT_THAT(LoadStatus(specials + "\na\n").message(), HasSubstr("line 6"));
  std::string many = specials;
  for (int i = 5; i < 65535; ++i) many += "w" + std::to_string(i) + "\n";
  EXPECT_OK(LoadStatus(many));
  EXPECT_THAT(LoadStatus(many + "last\n").message(), HasSubstr("65535"));
  EXPECT_EQ(LoadStatus("").code(), Code::kDataLoss);
  EXPECT_EQ(Tokenizer::Load(directory_ + "/none", true).status().code(), Code::kNotFound);
}

// Implementations differ in these cases. The `tokenizers` wheel gives these pieces.
TEST_F(TokenizerTest, EdgeCasesOfTheReferenceTokenizer) {
  STILL_NEED_DEMO_DATA(vocab, "teacher/vocab.txt");
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(vocab, true));
  const struct {
    std::string text;
    std::string pieces;
  } kCases[] = {
      {"ΛΌΓΟΣ", "λ ##ο ##γ ##ο ##σ"},
      {std::string(101, 'x'), "[UNK]"},
      {"\uE000abc", "abc"},
      {"foo [MASK]", "foo [ mask ]"},
      {"##ing", "# # ing"},
      {"İ", "i"},
      {"ß ẞ", "ß ß"},
      {"ﬁn", "ﬁ ##n"},
      {"Ａ", "[UNK]"},
      {"Ⅷ ǅ 😀", "[UNK] [UNK] [UNK]"},
      {"한국", "ᄒ ##ᅡ ##ᆫ ##ᄀ ##ᅮ ##ᆨ"},
      {"東京abc", "東 京 abc"},
      {"wa\u200Bt\u00ADe\uFEFFr wa\u200Dt\u0085e\u000Br", "water water"},
      {"to\u00A0be\u3000or\u2028not", "to be or not"},
      {"don’t co–op 10,000 $1.50 a…", "don ’ t co – op 10 , 000 $ 1 . 50 a …"},
      {"\u0345", ""},
      {"Crème BRÛLÉE", "cr ##eme br ##ule ##e"},
  };
  for (const auto& example : kCases) EXPECT_EQ(Pieces(tokenizer, example.text), example.pieces) << example.text;
  std::string accented;
  for (int i = 0; i < 60; ++i) accented += "a\u0301";
  EXPECT_EQ(Pieces(tokenizer, accented), Pieces(tokenizer, std::string(60, 'a')));
  EXPECT_NE(Pieces(tokenizer, std::string(100, 'x')), "[UNK]");
  EXPECT_EQ(Pieces(tokenizer, "\U0002B825x"), "[UNK]") << "one word: the reference counts it as no ideograph";
}

}  // namespace
}  // namespace still::shards
