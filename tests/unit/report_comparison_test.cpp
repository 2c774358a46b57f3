#include "report/comparison.hpp"

#include <doctest/doctest.h>

#include "golden.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {

namespace {

RunComparison comparison_of_everything() {
  RunBuilder a("monday"), b("tuesday");
  const auto both = [&](const char* name, std::vector<Try> before, std::vector<Try> after) {
    a.test({"s", "", name}, std::move(before));
    b.test({"s", "", name}, std::move(after));
  };
  both("regressed", {{}}, {{.outcome = exit_with(1, "boom")}});
  both("warned", {{}}, {{.kernel_reports = {{"WARNING in f", "WARNING:f", ""}}}});
  both("still bad", {{.outcome = exit_with(1)}}, {{.outcome = TimedOut{5s}, .duration = 5s}});
  both("fixed", {{.outcome = exit_with(1)}}, {{}});
  both("flaky", {{}}, {{.outcome = exit_with(1)}, {}});
  both("no longer flaky", {{.outcome = Crashed{"oops", "BUG:g"}}, {}}, {{}});
  both("skipped", {{}}, {{.outcome = Skipped{"no KVM"}}});
  both("no longer skipped", {{.outcome = Skipped{"no KVM"}}}, {{}});
  both("slower", {{.duration = 4s}}, {{.duration = 6s}});
  both("faster", {{.duration = 9s}}, {{.duration = 3s}});
  both("same", {{}}, {{}});
  a.test({"s", "", "gone"}, {{}});
  b.test({"s", "4k", "new"}, {{}}).test({"s", "", "new and bad"}, {{.outcome = exit_with(2)}});
  b.not_run({"s", "", "late"}, "the deadline was reached");
  RunComparison comparison = compare_runs(a.finish().run(), b.run());
  comparison.a.shown = "main (monday)";
  return comparison;
}

// Names, reasons, titles and run ids that are as bad as can be.
RunComparison hostile_comparison(const std::string& hostile) {
  const Run a = RunBuilder("a").test({hostile, "", hostile}, {{}}).finish().run();
  const Run b =
      RunBuilder(hostile)
          .test({hostile, "", hostile}, {{.outcome = Crashed{hostile, hostile},
                                          .kernel_reports = {{hostile, hostile + "2", ""}}}})
          .run();
  RunComparison comparison = compare_runs(a, b);
  comparison.a.shown = hostile;
  return comparison;
}

}  // namespace

TEST_CASE("a comparison names what changed, kind by kind") {
  check_golden("comparison.txt", comparison_text(comparison_of_everything()));
  check_golden("comparison.md", comparison_markdown(comparison_of_everything()));
  check_golden("comparison.json", comparison_json(comparison_of_everything()));
}

TEST_CASE("of runs that are the same there are only the counts") {
  const Run a = RunBuilder("a").test({"s", "", "t"}, {{.duration = 100s}}).finish().run();
  const Run b = RunBuilder("b").test({"s", "", "t"}, {{.duration = 124s}}).finish().run();
  CHECK(comparison_text(compare_runs(a, b)) ==
        "from a to b: 1 test, unchanged: 1\n"
        "test time 1m40s -> 2m04s; retries 0 -> 0; crashed attempts 0 -> 0\n"
        "result: no change: no test is worse\n");
}

TEST_CASE("no line of the text begins with foreign text") {
  const std::string text =
      comparison_text(hostile_comparison("::error::x\n::error::y##[error]z\r::error::"));
  for (std::size_t at = 0; (at = text.find("::", at)) != std::string::npos; ++at) {
    const std::size_t line = text.rfind('\n', at) + 1;  // npos + 1 is 0
    CHECK(text.substr(line, at - line).find_first_not_of(' ') != std::string::npos);
  }
  CHECK(text.find("##[") == std::string::npos);
}

TEST_CASE("in Markdown foreign text is nowhere but in code spans on one line") {
  const std::string hostile =
      "`</code>|<img src=x>\n# [a](http://b) @you #12 ![x](y) | &lt; www.c.org ``` \\` ~~~";
  const std::string text = comparison_markdown(hostile_comparison(hostile));
  CHECK(text.find("<img") != std::string::npos);
  std::string outside;
  bool in_code = false;
  for (const char c : text) {
    if (c == '\n') CHECK_FALSE(in_code);
    if (c == '`') {
      in_code = !in_code;
    } else if (!in_code) {
      outside += c;
    }
  }
  for (const char* mark : {"<", "@", "[", "http", "www", "&", "\\", "~"})
    CHECK(outside.find(mark) == std::string::npos);
}

TEST_CASE("Markdown that is too large is cut between lines and says how much is missing") {
  RunBuilder a("a"), b("b");
  for (int i = 0; i < 9000; ++i) {
    const TestId id{"s", "", std::to_string(i)};
    a.test(id, {{}});
    b.test(id, {{.outcome = Failed{std::string(250, 'x'), {}}}});
  }
  const RunComparison comparison = compare_runs(a.finish().run(), b.finish().run());
  const std::string text = comparison_markdown(comparison);
  CHECK(text.size() <= 1 << 20);
  CHECK(text.size() > 900'000);
  CHECK(text.ends_with(" bytes) were cut here.\n"));
  CHECK(text.starts_with("## Regressions\n"));
  for (const std::size_t most : {200U, 300U, 2000U})
    CHECK(comparison_markdown(comparison, most).size() <= most);
}

}  // namespace ffci::test
