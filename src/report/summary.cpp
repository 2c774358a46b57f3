#include "report/summary.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "json/judgement_json.hpp"
#include "model/attempt_facts.hpp"
#include "model/exit_code.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

void add_exit(Json& attempt, const ExitStatus& exit) {
  if (exit.kind == ExitStatus::Kind::exited) {
    attempt["exit_status"] = exit.value;
  } else {
    attempt["signal"] = signal_name(exit.value);
  }
}

Json subtests_json(const std::vector<Subtest>& subtests) {
  Json list = Json::array();
  for (const Subtest& subtest : subtests) {
    Json& entry = list.emplace_back(
        Json{{"name", subtest.name}, {"status", subtest_status_name(subtest.status)}});
    if (!subtest.reason.empty()) entry["reason"] = subtest.reason;
  }
  return list;
}

Json kernel_reports_json(const std::vector<KernelReport>& reports) {
  Json list = Json::array();
  for (const KernelReport& report : reports) {
    Json& entry = list.emplace_back(Json{{"title", report.title}, {"signature", report.signature}});
    if (!report.allowed.empty()) entry["allowed"] = report.allowed;
  }
  return list;
}

Json files_json(const Attempt& attempt) {
  Json list = Json::array();
  if (attempt.files.empty()) return list;
  const auto add = [&](std::string_view name) {
    list.push_back(fmt::format("{}/{}", attempt.files, name));
  };
  add("stdout"), add("stderr");
  if (attempt.kernel_log.bytes > 0) add("dmesg");
  if (attempt.trace.bytes > 0) add("bpftrace");
  for (const std::string& kept : attempt.kept_files)
    add("files/" + kept);
  return list;
}

Json output_json(const OutputExcerpt& output) {
  return {{"bytes", output.bytes}, {"cut_bytes", output.cut_bytes}};
}

Json attempt_json(const Run& run, const Attempt& attempt) {
  Json json{{"number", attempt.number}};
  if (attempt.purpose != Purpose::verdict) json["purpose"] = purpose_name(attempt.purpose);
  if (!attempt.host.empty()) json["host"] = attempt.host;
  if (attempt.slot != 0) json["slot"] = attempt.slot;
  json["started"] = rfc3339(run.header().at + attempt.started);
  json["duration_seconds"] =
      to_seconds(attempt.outcome ? attempt.duration : run.duration() - attempt.started);
  json["outcome"] = attempt.outcome ? outcome_name(*attempt.outcome) : "unfinished";
  json["reason"] = attempt.outcome ? reason_of(*attempt.outcome) : "";
  if (attempt.outcome) {
    if (const auto* failed = std::get_if<Failed>(&*attempt.outcome);
        failed != nullptr && failed->exit) {
      add_exit(json, *failed->exit);
    }
  }
  if (const std::string signature = signature_of(attempt); !signature.empty())
    json["signature"] = signature;
  if (const std::string signature = failure_signature_of(attempt); !signature.empty())
    json["failure_signature"] = signature;
  if (!attempt.subtests.empty()) json["subtests"] = subtests_json(attempt.subtests);
  if (attempt.subtests_dropped > 0) json["subtests_dropped"] = attempt.subtests_dropped;
  if (!attempt.kernel_reports.empty())
    json["kernel_reports"] = kernel_reports_json(attempt.kernel_reports);
  json["files"] = files_json(attempt);
  if (!attempt.files_problem.empty()) json["files_problem"] = attempt.files_problem;
  json["output"] = {{"stdout", output_json(attempt.standard_output)},
                    {"stderr", output_json(attempt.standard_error)}};
  if (attempt.kernel_log.bytes > 0) json["output"]["dmesg"] = output_json(attempt.kernel_log);
  if (attempt.trace.bytes > 0) json["output"]["bpftrace"] = output_json(attempt.trace);
  if (!attempt.teardown_problem.empty()) json["teardown_problem"] = attempt.teardown_problem;
  return json;
}

Json test_json(const Run& run, const TestResult& test) {
  Json json{{"suite", test.id.suite}};
  if (!test.id.configuration.empty()) json["configuration"] = test.id.configuration;
  json["name"] = test.id.name;
  json["iteration"] = test.id.iteration;
  json["verdict"] = verdict_name(test.verdict());
  json["reason"] = test.reason();
  json["duration_seconds"] = to_seconds(test.duration());
  if (test.expected) json["expected_seconds"] = to_seconds(*test.expected);
  Json& attempts = json["attempts"] = Json::array();
  for (const Attempt& attempt : test.attempts)
    attempts.push_back(attempt_json(run, attempt));
  for (const Attempt& rerun : test.reruns)
    json["reruns"].push_back(attempt_json(run, rerun));
  return json;
}

Json host_json(const HostRecord& host) {
  Json json{
      {"name", host.name},     {"kind", host.kind},         {"state", host.state},
      {"slots", host.slots},   {"restarts", host.restarts}, {"busy_seconds", to_seconds(host.busy)},
      {"kernel", host.kernel}, {"arch", host.arch},         {"isolation", host.isolation}};
  if (!host.log_in.empty()) json["log_in"] = host.log_in;
  return json;
}

Json counts_json(const Run& run) {
  Json json{{"total", run.tests().size()}};
  for (const auto& [verdict, count] : run.counts())
    json[std::string(verdict_name(verdict))] = count;
  return json;
}

}  // namespace

std::string summary_json(const Run& run) {
  const RunStarted& header = run.header();
  Json json{{"version", 1},
            {"ff_ci_version", header.tool_version},
            {"run_id", header.run_id},
            {"job", header.job},
            {"started", rfc3339(header.at)}};
  if (run.finish()) json["finished"] = rfc3339(header.at + run.duration());
  json["duration_seconds"] = to_seconds(run.duration());
  if (run.paused().count() > 0) json["paused_seconds"] = to_seconds(run.paused());
  if (header.shard) {
    json["shard"] = {{"index", header.shard->index},
                     {"count", header.shard->count},
                     {"plan", header.shard->plan}};
  }
  if (!header.merged.empty()) json["merged"] = header.merged;
  json["result"] = run_result_name(result_of(run));
  json["exit_code"] = static_cast<int>(exit_code_for(run));
  json["counts"] = counts_json(run);
  json["stops"] = run.stops();
  json["problems"] = run.problems();
  Json& hosts = json["hosts"] = Json::array();
  for (const HostRecord& host : run.hosts())
    hosts.push_back(host_json(host));
  Json& tests = json["tests"] = Json::array();
  for (const TestResult& test : run.tests())
    tests.push_back(test_json(run, test));
  if (header.gated && !run.judgement()) json["judged"] = false;
  if (run.judgement()) json["gate"] = judgement_to_json(*run.judgement());
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ffci
