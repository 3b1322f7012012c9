#include "shards/text/books.h"

#include <gmock/gmock.h>

#include "common/digest.h"
#include "common/progress.h"
#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

std::string Text(std::string_view bytes) {
  const auto text = BookText("book.txt", bytes);
  return text.ok() ? *text : text.status().ToString();
}

TEST(BookTextTest, AnyLineEndGivesTheSameParagraphs) {
  const std::string expected = "one two\nthree\n";
  EXPECT_EQ(Text("one\ntwo\n\n\n  three  \n"), expected);
  EXPECT_EQ(Text("one\r\ntwo\r\n\r\nthree"), expected);
  EXPECT_EQ(Text("\xEF\xBB\xBFone\rtwo\r\rthree\r"), expected);
  EXPECT_EQ(Text("\n \n"), "");
  EXPECT_EQ(Text(""), "");
}

// The guardian of a rank must see progress while a book of any size is read.
TEST(BookTextTest, EveryMebibyteOfEveryPassReportsProgress) {
  std::string book;
  while (book.size() < std::size_t{8} << 20) book += "It was the best of times, it was the worst of times.\n";
  ProgressMarks marks;
  const ProgressScope scope(&marks);
  ASSERT_OK(BookText("book.txt", book));
  EXPECT_GE(marks.count.exchange(0), 2u * 7) << "it is checked to be UTF-8, and cut into lines";
  ASSERT_OK(BookText("book.txt", book + "caf\xE9"));
  EXPECT_GE(marks.count.exchange(0), 3u * 7) << "and made UTF-8";
  Sha1Of(book);
  EXPECT_GE(marks.count, 7u);
}

TEST(BookTextTest, BytesThatAreNotUtf8AreReadAsWindows1252) {
  EXPECT_EQ(Text("caf\xC3\xA9"), "café\n");
  EXPECT_EQ(Text("caf\xE9 \x93quoted\x94 \x81"), "café “quoted”\n");
}

TEST(BookTextTest, TextOutsideOfGutenbergsMarkersIsDropped) {
  EXPECT_EQ(Text("licence\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\nbody\n\n*** END OF THIS PROJECT "
                 "GUTENBERG EBOOK X ***\n\nlicence"),
            "body\n");
  EXPECT_EQ(Text("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*\nbody\n\nEnd of Project Gutenberg's X"), "body\n");
  EXPECT_EQ(Text("THE END OF THE FIRST BOOK.\n\nbody"), "THE END OF THE FIRST BOOK.\nbody\n");
}

TEST(BookTextTest, ANulByteIsDataLoss) {
  EXPECT_THAT(BookText("book.txt", std::string_view("ab\0c", 4)),
              StatusIs(Code::kDataLoss, HasSubstr("book.txt: byte 2")));
}

class ListBooksTest : public TextFixture {};

TEST_F(ListBooksTest, ListsTextFilesInOrderWithSourcesBelowTheDirectory) {
  Write("books/b.txt", "b");
  Write("books/a/z.txt", "z");
  Write("books/a/plain", "p");
  Write("books/a/cover.jpg", "j");
  const std::string file = Write("other.text", "o");
  ASSERT_OK_AND_ASSIGN(const auto books, ListBooks({directory_ + "/books", file}));
  std::vector<std::string> sources;
  for (const BookFile& book : books) sources.push_back(book.source);
  EXPECT_THAT(sources, ::testing::ElementsAre("books/a/plain", "books/a/z.txt", "books/b.txt", "other.text"));
  EXPECT_EQ((*ListBooks({directory_ + "/books/"}))[0].source, "books/a/plain");
}

TEST_F(ListBooksTest, MissingOrEmptyPathsAreNotFound) {
  EXPECT_EQ(ListBooks({directory_ + "/none"}).status().code(), Code::kNotFound);
  EXPECT_THAT(ListBooks({directory_}), StatusIs(Code::kNotFound, HasSubstr(directory_)));
}

}  // namespace
}  // namespace still::shards
