#include "report/summary.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "gated_run.hpp"
#include "golden.hpp"
#include "report_run_builder.hpp"

namespace ffci::test {

using nlohmann::json;

TEST_CASE("summary.json of a run with one of everything") {
  check_golden("summary.json", summary_json(one_of_everything().run()));
}

TEST_CASE("summary.json of a run with one test of each decision of the gate") {
  check_golden("summary-gate.json", summary_json(one_of_each_decision().run()));
}

TEST_CASE("summary.json is valid UTF-8 JSON whatever tests are called and say") {
  const std::string hostile =
      "a\"b\\<>&\n]]>\x1B[31m\xFF\xC3\xED\xA0\x80" + std::string(1, '\0') + "::error::";
  const Run run =
      RunBuilder("\xFE")
          .test({hostile, hostile, hostile}, {{.outcome = Failed{hostile, {}},
                                               .kernel_log = hostile,
                                               .kernel_reports = {{hostile, hostile, hostile}},
                                               .kept_files = {hostile},
                                               .files_problem = hostile}})
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

TEST_CASE("the signature is the outcome's, or else that of the first report that is not allowed") {
  const std::vector<KernelReport> reports{
      {"WARNING in f", "warning-f", "known"}, {"BUG in g", "bug-g", ""}, {"BUG in h", "bug-h", ""}};
  const Run run =
      RunBuilder()
          .test({"s", "", "a"}, {{.outcome = exit_with(1), .kernel_reports = reports}})
          .test({"s", "", "b"}, {{.outcome = Crashed{"x", ""}, .kernel_reports = reports}})
          .test({"s", "", "c"}, {{.outcome = Crashed{"x", "own"}, .kernel_reports = reports}})
          .test({"s", "", "d"}, {{.kernel_reports = {reports.front()}}})
          .finish()
          .run();
  const json summary = json::parse(summary_json(run));
  const auto attempt = [&](std::size_t test) { return summary["tests"][test]["attempts"][0]; };
  CHECK(attempt(0)["signature"] == "bug-g");
  CHECK(attempt(1)["signature"] == "bug-g");
  CHECK(attempt(2)["signature"] == "own");
  CHECK_FALSE(attempt(3).contains("signature"));
  CHECK(attempt(3)["kernel_reports"] ==
        json::parse(R"([{"title":"WARNING in f","signature":"warning-f","allowed":"known"}])"));
}

TEST_CASE("how to log in is that of the host's last start") {
  const HostReady first{"vm", "ssh", 1, "6.1", "x86_64", "", "boot-1", "ssh old"};
  const HostReady second{"vm", "ssh", 1, "6.1", "x86_64", "", "boot-2", "ssh new"};
  const Run run =
      RunBuilder().fact(first).fact(HostLostFact{"vm", "gone"}).fact(second).finish().run();
  REQUIRE(run.hosts().size() == 2);
  CHECK(run.hosts()[1].boot_id == "boot-2");
  const json hosts = json::parse(summary_json(run))["hosts"];
  CHECK_FALSE(hosts[0].contains("log_in"));
  CHECK(hosts[1]["log_in"] == "ssh new");
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
