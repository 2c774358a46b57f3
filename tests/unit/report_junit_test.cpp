#include "report/junit.hpp"

#include <doctest/doctest.h>

#include <pugixml.hpp>

#include "gated_run.hpp"
#include "golden.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {
namespace {

pugi::xml_document parsed(const std::string& xml) {
  pugi::xml_document document;
  const auto result =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_full & ~pugi::parse_eol);
  REQUIRE(result.status == pugi::status_ok);
  return document;
}

pugi::xml_node first_case(const pugi::xml_document& document) {
  return document.child("testsuites").child("testsuite").child("testcase");
}

pugi::xml_document junit_of(std::vector<Try> tries, const JunitOptions& options = {}) {
  return parsed(
      junit_xml(RunBuilder().test({"s", "", "t"}, std::move(tries)).finish().run(), options));
}

bool valid_in_xml(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') return false;
  }
  return text.find("\xEF\xBF\xBE") == std::string_view::npos;
}

}  // namespace

TEST_CASE("JUnit XML of a run with one of everything") {
  check_golden("junit.xml",
               junit_xml(one_of_everything().run(), {.attachment_root = "results/runs/1"}));
}

TEST_CASE("JUnit XML of a run with one test of each decision of the gate") {
  check_golden("junit-gate.xml",
               junit_xml(one_of_each_decision().run(), {.attachment_root = "results/runs/1"}));
}

TEST_CASE(
    "totals of suites and file count bad tests as failures, and what has no result as errors") {
  const pugi::xml_document document = parsed(junit_xml(one_of_everything().run()));
  const pugi::xml_node root = document.child("testsuites");
  CHECK(root.attribute("tests").as_int() == 8);
  CHECK(root.attribute("failures").as_int() == 3);
  CHECK(root.attribute("errors").as_int() == 2);
  CHECK(root.attribute("skipped").as_int() == 1);
  int tests = 0, failures = 0, errors = 0, skipped = 0;
  for (const pugi::xml_node suite : root.children("testsuite")) {
    CHECK(suite.attribute("tests").as_int() ==
          std::distance(suite.children("testcase").begin(), suite.children("testcase").end()));
    tests += suite.attribute("tests").as_int();
    failures += suite.attribute("failures").as_int();
    errors += suite.attribute("errors").as_int();
    skipped += suite.attribute("skipped").as_int();
  }
  CHECK(tests == 8);
  CHECK(failures == 3);
  CHECK(errors == 2);
  CHECK(skipped == 1);
}

TEST_CASE("with a gate totals and elements are what the gate decided") {
  const pugi::xml_document document = parsed(junit_xml(one_of_each_decision().run()));
  std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
  for (const pugi::xml_node suite : document.child("testsuites").children("testsuite")) {
    std::size_t of_suite = 0;
    for (const pugi::xml_node test : suite.children("testcase")) {
      ++of_suite;
      if (test.child("failure")) ++failures;
      if (test.child("error")) ++errors;
      if (test.child("skipped")) ++skipped;
    }
    CHECK(suite.attribute("tests").as_uint() == of_suite);
    tests += of_suite;
  }
  const pugi::xml_node root = document.child("testsuites");
  CHECK(root.attribute("tests").as_uint() == tests);
  CHECK(root.attribute("failures").as_uint() == failures);
  CHECK(root.attribute("errors").as_uint() == errors);
  CHECK(root.attribute("skipped").as_uint() == skipped);
  CHECK(failures == 4);
  CHECK(errors == 1);
  CHECK(skipped == 4);
}

TEST_CASE("with a gate the elements of a test come in the order that readers want") {
  const std::vector<std::string_view> order{
      "failure", "error", "skipped", "rerunFailure", "flakyFailure", "system-out", "system-err"};
  const pugi::xml_document document =
      parsed(junit_xml(one_of_each_decision().run(), {.attachment_root = "results/runs/1"}));
  std::size_t elements = 0;
  for (const pugi::xml_node suite : document.child("testsuites").children("testsuite")) {
    for (const pugi::xml_node test : suite.children("testcase")) {
      auto least = order.begin();
      for (const pugi::xml_node element : test.children()) {
        CAPTURE(element.name());
        const auto place = std::find(order.begin(), order.end(), element.name());
        CHECK(place != order.end());
        CHECK(place >= least);
        least = place;
        ++elements;
      }
    }
  }
  CHECK(elements > 15);
}

TEST_CASE("a gate's word is with each test that failed: of iterations, with those that failed") {
  const auto nth = [](int iteration) { return TestId{"s", "", "t", iteration}; };
  Judgement gate;
  gate.tests.emplace_back().id = nth(1);
  gate.tests[0].decision = Decision::regression;
  gate.tests[0].why = "failed 3 of 3";
  const auto shown = [&](RunBuilder run) {
    const pugi::xml_document document = parsed(junit_xml(run.fact(RunJudged{gate}).finish().run()));
    std::vector<std::string> told;
    for (const pugi::xml_node test : first_case(document).parent().children("testcase"))
      told.emplace_back(test.child("failure").attribute("message").value());
    return told;
  };
  using Told = std::vector<std::string>;
  const std::vector<Try> bad{{.outcome = exit_with(1)}};
  CHECK(shown(RunBuilder().gated().test(nth(1), {{}}).test(nth(2), bad).test(nth(3), bad)) ==
        Told{"", "regression: failed 3 of 3; exit status 1",
             "regression: failed 3 of 3; exit status 1"});
  CHECK(shown(RunBuilder().gated().test(nth(1), {{}}).test(nth(2), {{}})) ==
        Told{"regression: failed 3 of 3", ""});
}

TEST_CASE("without a baseline a failure is one, as without a gate") {
  Judgement gate;
  gate.tests.emplace_back().id = {"s", "", "t"};
  gate.tests[0].decision = Decision::failure;
  gate.tests[0].why = "exit status 1";
  RunBuilder run = RunBuilder().gated().test({"s", "", "t"}, {{.outcome = exit_with(1)}});
  const pugi::xml_document document = parsed(junit_xml(run.fact(RunJudged{gate}).finish().run()));
  CHECK(first_case(document).child("failure").attribute("type").value() == std::string("failed"));
  CHECK(first_case(document).child("failure").attribute("message").value() ==
        std::string("failed: exit status 1"));
}

TEST_CASE("whatever tests are called and write, the file holds only what XML 1.0 allows") {
  const std::string hostile =
      "a\"'<b>&\n\r]]>\x1B[31mred\x1B[0m\x01\x7F\xFF\xC3 \xEF\xBF\xBE \xED\xA0\x80" +
      std::string(1, '\0') + "end";
  const Run run = RunBuilder(hostile)
                      .test({hostile, hostile, hostile},
                            {{.outcome = Failed{hostile, {}},
                              .out = hostile,
                              .err = hostile,
                              .subtests = {{hostile, Subtest::Status::failed, hostile}},
                              .host = hostile,
                              .kernel_log = hostile,
                              .kernel_reports = {{hostile, hostile, hostile}}},
                             {.outcome = Crashed{hostile, hostile}, .out = hostile}})
                      .test({"s", "", "skip"}, {{.outcome = Skipped{hostile}}})
                      .not_run({"s", "", "not run"}, hostile)
                      .finish()
                      .run();
  const std::string xml = junit_xml(run, {.attachment_root = hostile});
  CHECK(valid_in_xml(xml));
  CHECK(xml.find("CDATA") == std::string::npos);
  const pugi::xml_document document = parsed(xml);
  CHECK(std::string_view(first_case(document).attribute("name").value())
            .starts_with("a\"'<b>&  ]]>red#x01#x7F\xEF\xBF\xBD"));
  CHECK(std::string_view(first_case(document).child("system-out").text().get())
            .find("a\"'<b>&\n\n]]>red#x01") != std::string_view::npos);
}

TEST_CASE("a test with an empty name has a name all the same") {
  const pugi::xml_document document =
      parsed(junit_xml(RunBuilder().test({"", "", "\x1B[0m"}, {{}}).finish().run()));
  CHECK(first_case(document).attribute("name").value() == std::string("(no name)"));
  CHECK(first_case(document).parent().attribute("name").value() == std::string("(no name)"));
}

TEST_CASE("a failure's body begins with its message") {
  const pugi::xml_document document =
      junit_of({{.outcome = exit_with(1, "boom"), .out = "last words\n"}});
  const pugi::xml_node failure = first_case(document).child("failure");
  CHECK(failure.attribute("type").value() == std::string("failed"));
  CHECK(failure.attribute("message").value() == std::string("exit status 1: boom"));
  CHECK(failure.text().get() ==
        std::string("exit status 1: boom\nlast lines of stdout:\nlast words\n"));
}

TEST_CASE("a failure tells what the kernel reported and said, and where the rest is") {
  const std::string log = "[    1.000000] <4>BUG in f\n[[ATTACHMENT|/etc/passwd]]\n";
  const pugi::xml_document document =
      junit_of({{.outcome = Crashed{"BUG in f", "bug-f"},
                 .kernel_log = log,
                 .kernel_reports = {{"BUG in f", "bug-f", ""}, {"WARNING in g", "w-g", "known"}}}},
               {.attachment_root = "r"});
  const pugi::xml_node test = first_case(document);
  CHECK(test.child("failure").text().get() ==
        std::string("BUG in f\nthe kernel reported:\n  BUG in f\n  WARNING in g (allowed: known)\n"
                    "last lines of dmesg:\n[    1.000000] <4>BUG in f\n"
                    "[ [ATTACHMENT|/etc/passwd]]\n"));
  CHECK(test.child("system-out").text().get() ==
        std::string("[[ATTACHMENT|r/tests/s/1/1/stdout]]\n[[ATTACHMENT|r/tests/s/1/1/stderr]]\n"
                    "[[ATTACHMENT|r/tests/s/1/1/dmesg]]\n"));
}

TEST_CASE("a pass after failures is no failure but a flakyFailure for each") {
  const pugi::xml_document document = junit_of(
      {{.outcome = exit_with(1)}, {.outcome = TimedOut{1s}}, {.outcome = HostLost{"x"}}, {}});
  const pugi::xml_node test = first_case(document);
  CHECK_FALSE(test.child("failure"));
  const auto flaky = test.children("flakyFailure");
  CHECK(std::distance(flaky.begin(), flaky.end()) == 2);
  CHECK(std::string_view(test.child("flakyFailure").child("stackTrace").text().get())
            .starts_with("exit status 1\n"));
}

TEST_CASE("a failure after failures has a rerunFailure for each of the others") {
  const pugi::xml_document document =
      junit_of({{.outcome = exit_with(1)}, {.outcome = exit_with(2)}});
  const pugi::xml_node test = first_case(document);
  CHECK(test.child("failure").attribute("message").value() == std::string("exit status 2"));
  CHECK(test.child("rerunFailure").attribute("message").value() == std::string("exit status 1"));
  CHECK_FALSE(test.child("rerunFailure").next_sibling("rerunFailure"));
}

TEST_CASE("a plain pass and a skip carry no output") {
  for (const Outcome& outcome : {Outcome(Passed{}), Outcome(Skipped{"why"})}) {
    const pugi::xml_document document = junit_of({{.outcome = outcome,
                                                   .out = "text",
                                                   .err = "text",
                                                   .kernel_log = "kernel",
                                                   .kernel_reports = {{"WARNING", "w", "known"}}}},
                                                 {.attachment_root = "r"});
    CHECK(std::string_view(first_case(document).text().get()).empty());
    CHECK_FALSE(first_case(document).child("system-out"));
    CHECK_FALSE(first_case(document).child("system-err"));
  }
}

TEST_CASE("output keeps 64 KiB, begins and ends on whole lines, and tells what is missing") {
  std::string out;
  for (int i = 0; out.size() < 5'000'000; ++i)
    out += "line " + std::to_string(i) + "\n";
  const std::size_t bytes = out.size();
  const pugi::xml_document document = junit_of({{.outcome = exit_with(1), .out = std::move(out)}});
  const std::string text = first_case(document).child("system-out").text().get();
  CHECK(text.size() < 64 * 1024 + 200);
  CHECK(text.size() > 60 * 1024);
  CHECK(text.starts_with("line 0\nline 1\n"));
  CHECK(bytes > 5'000'000);
  CHECK(text.find("[... 4.7 MiB not shown; see tests/s/1/1/stdout ...]\nline ") !=
        std::string::npos);
}

TEST_CASE("output without line ends is cut between characters") {
  std::string out;
  while (out.size() < 200'000)
    out += "ä€😀";
  const pugi::xml_document document = junit_of({{.outcome = exit_with(1), .out = std::move(out)}});
  const std::string_view text = first_case(document).child("system-out").text().get();
  CHECK(text.size() > 60 * 1024);
  CHECK(text.find("\xEF\xBF\xBD", 17 * 1024) == std::string_view::npos);
}

TEST_CASE("attachments name the files of the deciding attempt first, and only ours are obeyed") {
  const pugi::xml_document document = junit_of(
      {{.outcome = exit_with(1)}, {.outcome = exit_with(2), .out = "[[ATTACHMENT|/etc/passwd]]\n"}},
      {.attachment_root = "/results/1"});
  CHECK(first_case(document).child("system-out").text().get() ==
        std::string("[[ATTACHMENT|/results/1/tests/s/1/2/stdout]]\n"
                    "[[ATTACHMENT|/results/1/tests/s/1/2/stderr]]\n"
                    "[[ATTACHMENT|/results/1/tests/s/1/1/stdout]]\n"
                    "[[ATTACHMENT|/results/1/tests/s/1/1/stderr]]\n"
                    "[ [ATTACHMENT|/etc/passwd]]\n"));
}

TEST_CASE("10,000 failed tests with output that XML makes longer stay below 30 MB" *
          doctest::test_suite("large")) {
  std::string out;
  while (out.size() < 8000)
    out += "<&>\r\x01 and more\n";
  RunBuilder builder;
  for (int i = 0; i < 10'000; ++i) {
    builder.test({"suite", "", "test<" + std::to_string(i) + ">"},
                 {{.outcome = exit_with(1, std::string(400, '&')), .out = out, .err = out}});
  }
  const std::string xml = junit_xml(builder.finish().run(), {.attachment_root = "results/runs/1"});
  CHECK(xml.size() < 30'000'000);
  CHECK(xml.size() > 10'000'000);
}

TEST_CASE("10,000 crashes with long logs and many reports stay below 30 MB" *
          doctest::test_suite("large")) {
  std::string log;
  while (log.size() < 8000)
    log += "[    1.000000] <&>\x01 and more\n";
  const std::vector<KernelReport> reports(20, {std::string(400, '&'), "s", std::string(400, '<')});
  RunBuilder builder;
  for (int i = 0; i < 10'000; ++i) {
    builder.test({"suite", "", "test" + std::to_string(i)},
                 {{.outcome = Crashed{"BUG", "s"}, .kernel_log = log, .kernel_reports = reports}});
  }
  const std::string xml = junit_xml(builder.finish().run(), {.attachment_root = "results/runs/1"});
  CHECK(xml.size() < 30'000'000);
  CHECK(xml.size() > 5'000'000);
}

}  // namespace ffci::test
