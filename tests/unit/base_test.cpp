#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "base/file.hpp"
#include "base/quantile.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

using namespace ffci;
using namespace std::chrono_literals;

TEST_CASE("durations are read as people write them, and nothing else is") {
  CHECK(parse_duration("20m") == 20min);
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("500ms") == 500ms);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("90") == 90s);
  CHECK(parse_duration("0") == 0s);
  for (const char* bad :
       {"", "m", "-5s", "5x", "5 s", "1h30", "1e3", "99999d", "5s5", "nan", "."}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("durations are shown with as much precision as is of use") {
  CHECK(human_duration(350ms) == "0.35s");
  CHECK(human_duration(9999ms) == "10.0s");
  CHECK(human_duration(12'300ms) == "12.3s");
  CHECK(human_duration(59'990ms) == "1m00s");
  CHECK(human_duration(200s) == "3m20s");
  CHECK(human_duration(3900s) == "1h05m");
}

TEST_CASE("RFC 3339 times survive being written and read") {
  const WallTime t{std::chrono::milliseconds(1'769'860'800'123)};
  CHECK(rfc3339(t) == "2026-01-31T12:00:00.123Z");
  CHECK(parse_rfc3339(rfc3339(t)) == t);
  CHECK(compact_timestamp(t) == "20260131T120000Z");
  for (const char* bad : {"", "2026-01-31", "2026-13-31T12:00:00.123Z", "2026-02-30T12:00:00.123Z",
                          "2026-01-31T12:00:00.123+01"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
}

TEST_CASE("sizes are read in powers of 1024") {
  CHECK(parse_size("64MiB") == 64u << 20);
  CHECK(parse_size("2G") == 2ull << 30);
  CHECK(parse_size("100k") == 100u << 10);
  CHECK(parse_size("7") == 7u);
  for (const char* bad : {"", "G", "-1", "1.5G", "1X", "99999999999T"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("a typo finds the word that was meant, and nonsense finds none") {
  const std::vector<std::string> known{"groups", "tests", "timeout"};
  CHECK(did_you_mean("grups", known) == "; did you mean 'groups'?");
  CHECK(did_you_mean("timeuot", known) == "; did you mean 'timeout'?");
  CHECK(did_you_mean("tetss", known) == "; did you mean 'tests'?");
  CHECK(did_you_mean("zzzzzz", known).empty());
}

TEST_CASE("a quoted word is one word to the shell, whatever it holds") {
  CHECK(shell_quote("plain-1.2/x") == "plain-1.2/x");
  CHECK(shell_quote("") == "''");
  CHECK(shell_quote("it's; rm -rf $HOME\n") == "'it'\\''s; rm -rf $HOME\n'");
}

TEST_CASE("invalid UTF-8 is replaced, valid UTF-8 is kept") {
  CHECK(to_utf8("grün €😀") == "grün €😀");
  CHECK(to_utf8("a\xFFz") == "a\xEF\xBF\xBDz");
  CHECK(to_utf8("\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  CHECK(to_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  CHECK(to_utf8("\xE2\x82") == "\xEF\xBF\xBD");                              // cut off
}

TEST_CASE("printable text can't steer a terminal and is fit for XML") {
  CHECK(printable("\x1B[31mred\x1B[0m \x1B]0;title\a!") == "red !");
  CHECK(printable(std::string_view("nul\0bell\a", 9)) == "nul#x00bell#x07");
  CHECK(printable("tab\tline\n") == "tab\tline\n");
  CHECK(printable("\xEF\xBF\xBE") == "\xEF\xBF\xBD");  // U+FFFE
  CHECK(printable("\xC2\x9B"
                  "31m") == "#x9B31m");  // the C1 form of CSI
  CHECK(printable_line("one\ntwo\tthree  ") == "one two three");
  CHECK(printable_line(std::string(1000, 'x'), 10) == "xxxxxxxxxx…");
}

TEST_CASE("any bytes become printable text without control characters") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random() % 4 == 0 ? 0x1B : random());
    const std::string text = printable(bytes);
    CHECK(to_utf8(text) == text);
    for (const char c : text) {
      const bool shown =
          static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t' || c == '\r';
      CHECK(shown);
    }
  }
}

TEST_CASE(
    "a written file is there whole, its folder is made, and a failed write leaves the old one") {
  std::string folder = std::filesystem::temp_directory_path() / "ff-ci-base-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::filesystem::path file = std::filesystem::path(folder) / "a/b/file";
  REQUIRE(write_file(file, "one"));
  CHECK(read_file(file, 100).value() == "one");
  CHECK(read_file(file, 2).error().message.find("larger than 2 B") != std::string::npos);
  CHECK(read_file(folder, 100).error().message.find("is a directory") != std::string::npos);
  std::filesystem::create_directory(file.string() + ".tmp");
  CHECK_FALSE(write_file(file, "two"));
  CHECK(read_file(file, 100).value() == "one");
  std::filesystem::remove_all(folder);
}

TEST_CASE("what is in a directory is listed by name, and a missing one is told from a bad one") {
  std::string folder = std::filesystem::temp_directory_path() / "ff-ci-base-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::filesystem::path path = folder;
  CHECK(entries_of(path)->empty());
  for (const char* name : {"b", "a", ".c"})
    REQUIRE(write_file(path / name, ""));
  CHECK(entries_of(path).value() ==
        std::vector<std::filesystem::path>{path / ".c", path / "a", path / "b"});
  CHECK(entries_of(path / "none").error().kind == ErrorKind::no_input);
  CHECK(entries_of(path / "a").error().kind == ErrorKind::io);
  std::filesystem::remove_all(folder);
}

TEST_CASE("quantiles are the middle, the nearest rank, or nothing of nothing") {
  CHECK(median(std::vector{3s, 1s, 2s}) == 2s);
  CHECK(median(std::vector{4000ms, 1000ms, 2000ms, 3000ms}) == 2500ms);
  CHECK_FALSE(median(std::vector<Duration>()));
  std::vector<int> ten(10);
  std::iota(ten.rbegin(), ten.rend(), 1);
  CHECK(percentile(ten, 90) == 9);
  CHECK(percentile(ten, 91) == 10);
  CHECK(percentile(ten, 0) == 1);
  CHECK(percentile(ten, 100) == 10);
  CHECK_FALSE(percentile(std::vector<int>(), 90));
}
