#include "report/summary.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "report_golden.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {

using nlohmann::json;

TEST_CASE("summary.json of a run with one of everything") {
  check_golden("summary.json", summary_json(one_of_everything().run()));
}

TEST_CASE("summary.json is valid UTF-8 JSON whatever tests are called and say") {
  const std::string hostile =
      "a\"b\\<>&\n]]>\x1B[31m\xFF\xC3\xED\xA0\x80" + std::string(1, '\0') + "::error::";
  const Run run = RunBuilder("\xFE")
                      .test({hostile, hostile, hostile}, {{.outcome = Failed{hostile, {}}}})
                      .finish()
                      .run();
  const json summary = json::parse(summary_json(run));
  CHECK(summary["tests"][0]["name"].get<std::string>().starts_with(
      "a\"b\\<>&\n]]>\x1B[31m\xEF\xBF\xBD"));
  CHECK(summary["run_id"] == "\xEF\xBF\xBD");
}

TEST_CASE("a run that ff-ci did not survive is incomplete, and the test that ran is unfinished") {
  const Run run = RunBuilder()
                      .running({"s", "", "a"})
                      .waiting({"s", "", "b"})
                      .pass(7s)
                      .fact(HostLostFact{"local", "gone"})
                      .run();
  const json summary = json::parse(summary_json(run));
  CHECK(summary["result"] == "incomplete");
  CHECK(summary["exit_code"] == 5);
  CHECK_FALSE(summary.contains("finished"));
  const json& attempt = summary["tests"][0]["attempts"][0];
  CHECK(attempt["outcome"] == "unfinished");
  CHECK(attempt["duration_seconds"] == 7.0);
  CHECK(summary["tests"][0]["verdict"] == "not_run");
  CHECK(summary["tests"][1]["attempts"].empty());
}

TEST_CASE("iterations of a test are entries of their own") {
  const Run run =
      RunBuilder().test({"s", "", "a", 1}, {{}}).test({"s", "", "a", 2}, {{}}).finish().run();
  const json summary = json::parse(summary_json(run));
  CHECK(summary["counts"]["total"] == 2);
  CHECK(summary["tests"][1]["name"] == "a");
  CHECK(summary["tests"][1]["iteration"] == 2);
}

TEST_CASE("a run without any test is a summary too") {
  const json summary = json::parse(summary_json(RunBuilder().finish().run()));
  CHECK(summary["result"] == "nothing_run");
  CHECK(summary["tests"] == json::array());
  CHECK(summary["problems"] == json::array());
}

}  // namespace ffci::test
