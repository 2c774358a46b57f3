#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/load_known_issues.hpp"

using namespace ffci;
using namespace std::chrono_literals;

namespace {

const std::string full_file = R"(version: 1
issues:
  - &first
    suite: "btrfs*"
    test: generic/475
    configuration: btrfs_4k
    message: "*output mismatch*"
    signature: "WARNING: * at fs/btrfs/*"
    reason: rare
    link: https://bugs.example.org/1
    expires: 2026-12-31
  - {<<: *first, test: generic/476, reason: "${NOT} replaced"}
)";

std::vector<KnownIssue> issues(const std::string& text) {
  const auto loaded = load_known_issues(text, "known.yaml");
  for (const SpecComplaint& complaint : loaded ? std::vector<SpecComplaint>{} : loaded.error())
    FAIL_CHECK(complaint.text);
  return loaded.value_or(std::vector<KnownIssue>{});
}

// All complaints, one a line.
std::string complaints(const std::string& text) {
  const auto loaded = load_known_issues(text, "known.yaml");
  if (loaded) return "none";
  std::string all;
  for (const SpecComplaint& complaint : loaded.error())
    all += (all.empty() ? "" : "\n") + complaint.text;
  return all;
}

// A file of one issue, whose keys are on line 3 from column 6.
std::string one(const std::string& keys) {
  return "version: 1\nissues:\n  - {" + keys + "}\n";
}

// An issue that expires on that day.
std::string expiring(const std::string& day) {
  return one("test: a, reason: b, link: 'http://c', expires: " + day);
}

}  // namespace

TEST_CASE("every key of a known issue is read") {
  const std::vector<KnownIssue> known = issues(full_file);
  REQUIRE(known.size() == 2);
  CHECK(known[0].suite == "btrfs*");
  CHECK(known[0].test == "generic/475");
  CHECK(known[0].configuration == "btrfs_4k");
  CHECK(known[0].message == "*output mismatch*");
  CHECK(known[0].signature == "WARNING: * at fs/btrfs/*");
  CHECK(known[0].reason == "rare");
  CHECK(known[0].link == "https://bugs.example.org/1");
  CHECK((known[0].expires == 2026y / 12 / 31));
  CHECK(known[0].where == "known.yaml:3:5");
}

TEST_CASE("known issues may be merged, and variables in them are text") {
  const std::vector<KnownIssue> known = issues(full_file);
  REQUIRE(known.size() == 2);
  CHECK(known[1].test == "generic/476");
  CHECK(known[1].signature == known[0].signature);
  CHECK(known[1].reason == "${NOT} replaced");
  CHECK(known[1].where == "known.yaml:12:5");
}

TEST_CASE("there may be no known issue") {
  CHECK(issues("version: 1\nissues: []\n").empty());
}

TEST_CASE("a known issue names a test or a signature") {
  const std::string rest = "reason: b, link: 'http://c', expires: 2026-12-31";
  CHECK(issues(one("test: a, " + rest)).size() == 1);
  CHECK(issues(one("signature: a, " + rest)).size() == 1);
  CHECK(complaints(one("suite: a, configuration: b, message: c, " + rest)) ==
        "known.yaml:3:5: 'issues.0' needs 'test' or 'signature', to say which failures are known");
}

TEST_CASE("a known issue expires on a day of the calendar") {
  CHECK((issues(expiring("2024-02-29")).at(0).expires == 2024y / 2 / 29));
  CHECK((issues(expiring("'2026-01-01'")).at(0).expires == 2026y / 1 / 1));
  for (const char* day : {"2026-02-29", "2100-02-29", "2026-00-10", "2026-04-31", "2026-1-01",
                          "2026-01-01 ago", "+026-01-01", "2026/01/01", "soon"}) {
    CAPTURE(day);
    CHECK(complaints(expiring(day)) ==
          fmt::format("known.yaml:3:53: 'issues.0.expires' is '{}'; expected a day as YYYY-MM-DD, "
                      "such as 2026-03-31",
                      day));
  }
}

TEST_CASE("all complaints about known issues come at once, in the order of the file") {
  CHECK(complaints("version: 2\n"
                   "issues:\n"
                   "  - tests: a\n"
                   "    signature: ''\n"
                   "    link: doc/bugs.txt\n"
                   "    expires: 2026-12-31\n"
                   "more: {}\n") ==
        "known.yaml:1:10: 'version' is '2'; expected 1\n"
        "known.yaml:3:5: 'issues.0.reason' is missing\n"
        "known.yaml:3:5: unknown key 'tests'; did you mean 'test'?\n"
        "known.yaml:4:16: 'issues.0.signature' is ''; expected text that is not blank\n"
        "known.yaml:5:11: 'issues.0.link' is 'doc/bugs.txt'; expected an address that begins with "
        "http:// or https://\n"
        "known.yaml:7:1: unknown key 'more'");
}

TEST_CASE("a known issue that repeats another is a complaint that names both") {
  const std::string issue = "  - {test: a, reason: b, link: 'http://c', expires: 2026-12-31}\n";
  const std::string other = "  - {test: a, reason: b, link: 'http://c', expires: 2027-12-31}\n";
  CHECK(issues("version: 1\nissues:\n" + issue + other).size() == 2);
  CHECK(complaints("version: 1\nissues:\n" + issue + other + issue) ==
        "known.yaml:5:5: 'issues.2' repeats the issue at known.yaml:3:5; remove one of them");
}

TEST_CASE("complaints about the whole call it a known-issues file") {
  CHECK(complaints("") ==
        "known.yaml:1:1: the known-issues file is empty; it begins with 'version: 1'");
  CHECK(complaints("[]") ==
        "known.yaml:1:1: the known-issues file is an empty list; expected a map");
  CHECK(complaints(full_file + "---\n") ==
        "known.yaml:13:1: a second document begins here; a known-issues file is one document");
  CHECK(complaints(std::string(17 << 20, '#')) ==
        "known.yaml:1:1: larger than 16.0 MiB; is this a known-issues file?");
}

TEST_CASE("thousands of known issues load; a file of enormous size is refused") {
  std::string text = "version: 1\nissues:\n";
  const auto grow = [&](int from, int to) {
    for (int i = from; i < to; ++i)
      text +=
          fmt::format("  - {{test: t{}, reason: b, link: \"http://c\", expires: 2026-12-31}}\n", i);
  };
  grow(0, 10'000);
  CHECK(issues(text).size() == 10'000);
  grow(10'000, 100'000);
  CHECK(complaints(text).find("a known-issues file this large is taken for a mistake") !=
        std::string::npos);
}

TEST_CASE("a known-issues file cut off anywhere is read or refused, and complaints have a place") {
  for (size_t length = 0; length < full_file.size(); ++length) {
    CAPTURE(length);
    const auto loaded = load_known_issues(full_file.substr(0, length), "known.yaml");
    if (loaded) continue;
    CHECK_FALSE(loaded.error().empty());
    for (const SpecComplaint& complaint : loaded.error())
      CHECK(complaint.text.starts_with("known.yaml:"));
  }
}

TEST_CASE("a known-issues file with any byte changed is read or refused") {
  for (size_t at = 0; at < full_file.size(); ++at) {
    for (const char byte : {'\0', '[', '{', '&', '*', ':', '\n', '"', '\x80', '-', '!', ' '}) {
      std::string changed = full_file;
      changed[at] = byte;
      const auto loaded = load_known_issues(changed, "known.yaml");
      for (const KnownIssue& issue : loaded.value_or(std::vector<KnownIssue>{})) {
        CAPTURE(changed);
        CHECK((!issue.test.empty() || !issue.signature.empty()));
        CHECK(issue.expires.ok());
      }
    }
  }
}

TEST_CASE("the corpus of known issues is judged as each of its files says") {
  const std::filesystem::path corpus =
      std::filesystem::path(FFCI_TEST_DATA) / ".." / "spec_corpus" / "known_issues";
  int files = 0;
  for (const std::string folder : {"good", "bad"}) {
    for (const auto& entry : std::filesystem::directory_iterator(corpus / folder)) {
      CAPTURE(entry.path().filename().string());
      ++files;
      const std::string text = read_file(entry.path(), 1 << 20).value();
      const std::string said = complaints(text);
      CHECK((said == "none") == (folder == "good"));
      for (const std::string_view line : split(text, '\n')) {
        constexpr std::string_view expect = "# expect: ";
        if (!line.starts_with(expect)) continue;
        CHECK(said.find("known.yaml:" + std::string(line.substr(expect.size()))) !=
              std::string::npos);
      }
    }
  }
  CHECK(files > 40);
}
