#include "report/shown_text.hpp"

#include <doctest/doctest.h>

#include "report_run_builder.hpp"

namespace ffci::test {

using Lines = std::vector<std::string>;

TEST_CASE("the last lines of output come without line ends, and a CR overwrites") {
  CHECK(last_lines(excerpt("a\nb\r\n10%\r20%\r\r\n\n c"), 20) == Lines{"a", "b", "20%", "", " c"});
  CHECK(last_lines(excerpt("a\nb\nc\n"), 2) == Lines{"b", "c"});
  CHECK(last_lines(excerpt(""), 2).empty());
  CHECK(last_lines(excerpt("\n"), 2).empty());
}

TEST_CASE("the last lines of long output begin with a whole line") {
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += "line " + std::to_string(i) + "\n";
  const Lines lines = last_lines(excerpt(text), 3);
  CHECK(lines == Lines{"line 99997", "line 99998", "line 99999"});
  CHECK(last_lines(excerpt(std::string(1'000'000, 'x')), 3).size() == 1);
}

TEST_CASE("lines are cut when long, between characters") {
  std::string text;
  while (text.size() < 2000)
    text += "€";
  const Lines first = last_lines(excerpt(text + "\nend"), 2), end = last_lines(excerpt(text), 1);
  REQUIRE(first.size() == 1);
  CHECK(first[0] == "end");
  REQUIRE(end.size() == 1);
  CHECK(end[0].size() <= 403);
  CHECK(end[0].starts_with("…€"));
  CHECK(last_lines(excerpt(text), 20)[0].ends_with("€…"));
}

TEST_CASE("commands to a CI system are broken up wherever they stand") {
  CHECK(shown_line("x ##[error]y ##[##[") == "x ## [error]y ## [## [");
  CHECK(without_commands("[[[ATTACHMENT|p]]") == "[[ [ATTACHMENT|p]]");
  CHECK(without_commands("#[a] [[b]]") == "#[a] [[b]]");
}

TEST_CASE("the beginning and the end of a text never hold a part of a character") {
  CHECK(beginning_of("a€", 2) == "a");
  CHECK(beginning_of("a€", 4) == "a€");
  CHECK(end_of("€a", 2) == "a");
  CHECK(end_of("€a", 9) == "€a");
  CHECK(end_of("€", 1).empty());
}

}  // namespace ffci::test
