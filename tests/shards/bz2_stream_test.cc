#include "shards/corpus/bz2_stream.h"

#include <gmock/gmock.h>

#include "tests/shards/text_fixture.h"

namespace still::shards {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Bz2StreamTest : public TextFixture {
 protected:
  static Result<std::string> ReadAll(const std::string& path, std::size_t buffer_bytes = 1000) {
    STILL_ASSIGN_OR_RETURN(const auto stream, Bz2Stream::Open(path));
    std::string all;
    std::string buffer(buffer_bytes, '\0');
    while (true) {
      STILL_ASSIGN_OR_RETURN(const std::size_t size, stream->Read(buffer));
      if (size == 0) return all;
      all.append(buffer, 0, size);
    }
  }
};

std::string Words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "word " + std::to_string(i * 7919 % 1000) + (i % 9 == 0 ? "\n" : " ");
  return text;
}

TEST_F(Bz2StreamTest, SeveralBlocksAndStreamsReadAsOneText) {
  const std::string first = Words(40000);  // more than two 100 kB blocks
  const std::string path = Write("two.bz2", Compressed(first) + Compressed("") + Compressed("tail"));
  for (const std::size_t buffer_bytes : {1, 4096, 1 << 22}) {
    const auto text = ReadAll(path, buffer_bytes);
    ASSERT_TRUE(text.ok()) << text.status().ToString();
    EXPECT_EQ(*text, first + "tail");
  }
}

TEST_F(Bz2StreamTest, EveryTruncationIsDataLossAtTheEndOfTheFile) {
  const std::string whole = Compressed(Words(50));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string path = Write("cut.bz2", whole.substr(0, size));
    const auto text = ReadAll(path);
    ASSERT_EQ(text.status().code(), Code::kDataLoss) << "cut to " << size;
    EXPECT_THAT(text.status().message(),
                AllOf(HasSubstr(path), HasSubstr("compressed byte " + std::to_string(size) + " of"),
                      HasSubstr("the file is damaged or incomplete: fetch it again")));
  }
}

TEST_F(Bz2StreamTest, AFlippedBitIsDataLossOrChangesNothing) {
  const std::string text = Words(50);
  const std::string whole = Compressed(text);
  int unnoticed = 0;  // bits with no meaning for this data: the announced block size, padding of the last byte
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto read = ReadAll(Write("flip.bz2", damaged));
    if (read.ok()) {
      ++unnoticed;
      EXPECT_EQ(*read, text) << "bit " << bit;
    } else {
      EXPECT_EQ(read.status().code(), Code::kDataLoss) << "bit " << bit;
    }
  }
  EXPECT_LE(unnoticed, 20);
}

TEST_F(Bz2StreamTest, BytesAfterTheLastStreamAreDataLoss) {
  const auto text = ReadAll(Write("tail.bz2", Compressed("abc") + "<html>"));
  EXPECT_EQ(text.status().code(), Code::kDataLoss);
  EXPECT_THAT(text.status().message(), HasSubstr("not the start of a bzip2 stream"));
}

TEST_F(Bz2StreamTest, AMissingFileIsNotFound) {
  EXPECT_EQ(ReadAll(directory_ + "/none.bz2").status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace still::shards
