#include "store/event_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/text.hpp"
#include "json/judgement_json.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

Json seconds(Duration d) {
  return to_seconds(d);
}

// What is beyond these is of no run, and would overflow what is reckoned with it.
constexpr double longest_seconds = 100.0 * 365 * 24 * 3600;
constexpr int largest_number = 1'000'000'000;

Duration duration(const Json& json) {
  const double value = json.get<double>();
  if (!(std::abs(value) <= longest_seconds))
    throw std::invalid_argument(fmt::format("no run knows a time of {} seconds", value));
  return from_seconds(value);
}

int whole(const Json& json) {
  // An unsigned one that is too large is a negative one here.
  const std::int64_t value = json.is_number_integer() ? json.get<std::int64_t>() : largest_number;
  const bool fits = value > -largest_number && value < largest_number;
  if (!fits || (json.is_number_unsigned() && value < 0))
    throw std::invalid_argument(fmt::format("'{}' is no number of a run", json.dump()));
  return static_cast<int>(value);
}

int whole(const Json& json, const char* key, int otherwise) {
  const auto found = json.find(key);
  return found == json.end() ? otherwise : whole(*found);
}

std::uint64_t size(const Json& json) {
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > largest)  // of SQLite
    throw std::invalid_argument(fmt::format("'{}' is no size or number of a run", json.dump()));
  return json.get<std::uint64_t>();
}

std::uint64_t size(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? 0 : size(*found);
}

template <class T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

std::optional<std::string> optional_text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::nullopt;
  return found->get<std::string>();
}

std::string text(const Json& json, const char* key) {
  return json.value(key, std::string());
}

Purpose purpose(const Json& json) {
  const std::string name = text(json, "purpose");
  if (name.empty()) return Purpose::verdict;
  const std::optional<Purpose> known = purpose_from_name(name);
  if (!known) throw std::invalid_argument(fmt::format("unknown purpose '{}'", name));
  return *known;
}

// Outcomes.

Json exit_json(const ExitStatus& status) {
  return status.kind == ExitStatus::Kind::exited ? Json{{"status", status.value}}
                                                 : Json{{"signal", status.value}};
}

ExitStatus exit_from(const Json& json) {
  if (json.contains("signal")) return {ExitStatus::Kind::signaled, whole(json.at("signal"))};
  return {ExitStatus::Kind::exited, whole(json.at("status"))};
}

Json outcome_json(const Outcome& outcome) {
  Json json{{"outcome", outcome_name(outcome)}};
  if (const std::string why = reason_of(outcome); !why.empty()) json["reason"] = why;
  if (const auto* failed = std::get_if<Failed>(&outcome); failed != nullptr && failed->exit)
    json["exit"] = exit_json(*failed->exit);
  if (const auto* failed = std::get_if<Failed>(&outcome);
      failed != nullptr && !failed->signature.empty())
    json["signature"] = failed->signature;
  if (const auto* timed_out = std::get_if<TimedOut>(&outcome))
    json["limit_seconds"] = seconds(timed_out->limit);
  if (const auto* crashed = std::get_if<Crashed>(&outcome)) json["signature"] = crashed->signature;
  return json;
}

Outcome outcome_from(const Json& json) {
  const auto name = json.at("outcome").get<std::string>();
  const std::string why = text(json, "reason");
  if (name == "passed") return Passed{};
  if (name == "failed") {
    std::optional<ExitStatus> exit;
    if (json.contains("exit")) exit = exit_from(json.at("exit"));
    return Failed{why, exit, text(json, "signature")};
  }
  if (name == "skipped") return Skipped{why};
  if (name == "timed_out") return TimedOut{duration(json.at("limit_seconds"))};
  if (name == "crashed") return Crashed{why, text(json, "signature")};
  if (name == "host_lost") return HostLost{why};
  if (name == "setup_failed") return SetupFailed{why};
  if (name == "not_run") return NotRun{why};
  throw std::invalid_argument(fmt::format("unknown outcome '{}'", name));
}

// Attempts.

Json subtest_json(const Subtest& subtest) {
  Json json{{"name", subtest.name}, {"status", subtest_status_name(subtest.status)}};
  if (!subtest.reason.empty()) json["reason"] = subtest.reason;
  return json;
}

Subtest subtest_from(const Json& json) {
  const auto name = json.at("status").get<std::string>();
  for (const auto status : {Subtest::Status::passed, Subtest::Status::failed,
                            Subtest::Status::skipped, Subtest::Status::expected_failure}) {
    if (subtest_status_name(status) == name)
      return {json.at("name").get<std::string>(), status, text(json, "reason")};
  }
  throw std::invalid_argument(fmt::format("unknown subtest status '{}'", name));
}

Json excerpt_json(const OutputExcerpt& excerpt) {
  Json json{{"bytes", excerpt.bytes}};
  if (excerpt.cut_bytes > 0) json["cut_bytes"] = excerpt.cut_bytes;
  if (!excerpt.head.empty()) json["head"] = excerpt.head;
  if (excerpt.between > 0) json["between"] = excerpt.between;
  if (!excerpt.tail.empty()) json["tail"] = excerpt.tail;
  return json;
}

OutputExcerpt excerpt_from(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  return {size(found->at("bytes")), size(*found, "cut_bytes"), text(*found, "head"),
          text(*found, "tail"), size(*found, "between")};
}

Json report_json(const KernelReport& report) {
  Json json{{"title", report.title}, {"signature", report.signature}};
  if (!report.allowed.empty()) json["allowed"] = report.allowed;
  return json;
}

KernelReport report_from(const Json& json) {
  return {json.at("title").get<std::string>(), text(json, "signature"), text(json, "allowed")};
}

Json attempt_json(const Attempt& attempt) {
  Json json{{"number", attempt.number},
            {"host", attempt.host},
            {"slot", attempt.slot},
            {"started_seconds", seconds(attempt.started)},
            {"duration_seconds", seconds(attempt.duration)}};
  if (attempt.purpose != Purpose::verdict) json["purpose"] = purpose_name(attempt.purpose);
  if (attempt.outcome) json.update(outcome_json(*attempt.outcome));
  for (const Subtest& subtest : attempt.subtests)
    json["subtests"].push_back(subtest_json(subtest));
  if (attempt.subtests_dropped > 0) json["subtests_dropped"] = attempt.subtests_dropped;
  if (attempt.standard_output.bytes > 0) json["stdout"] = excerpt_json(attempt.standard_output);
  if (attempt.standard_error.bytes > 0) json["stderr"] = excerpt_json(attempt.standard_error);
  if (attempt.kernel_log.bytes > 0) json["dmesg"] = excerpt_json(attempt.kernel_log);
  if (attempt.trace.bytes > 0) json["bpftrace"] = excerpt_json(attempt.trace);
  for (const KernelReport& report : attempt.kernel_reports)
    json["kernel_reports"].push_back(report_json(report));
  if (!attempt.teardown_problem.empty()) json["teardown_problem"] = attempt.teardown_problem;
  if (!attempt.files.empty()) json["files"] = attempt.files;
  if (!attempt.kept_files.empty()) json["kept_files"] = attempt.kept_files;
  if (!attempt.files_problem.empty()) json["files_problem"] = attempt.files_problem;
  return json;
}

Attempt attempt_from(const Json& json) {
  Attempt attempt;
  attempt.purpose = purpose(json);
  attempt.number = whole(json.at("number"));
  attempt.host = text(json, "host");
  attempt.slot = whole(json, "slot", 0);
  attempt.started = duration(json.at("started_seconds"));
  attempt.duration = duration(json.at("duration_seconds"));
  attempt.outcome = outcome_from(json);
  for (const Json& subtest : json.value("subtests", Json::array()))
    attempt.subtests.push_back(subtest_from(subtest));
  attempt.subtests_dropped = size(json, "subtests_dropped");
  attempt.standard_output = excerpt_from(json, "stdout");
  attempt.standard_error = excerpt_from(json, "stderr");
  attempt.kernel_log = excerpt_from(json, "dmesg");
  attempt.trace = excerpt_from(json, "bpftrace");
  for (const Json& report : json.value("kernel_reports", Json::array()))
    attempt.kernel_reports.push_back(report_from(report));
  attempt.teardown_problem = text(json, "teardown_problem");
  attempt.files = text(json, "files");
  attempt.kept_files = json.value("kept_files", std::vector<std::string>());
  attempt.files_problem = text(json, "files_problem");
  return attempt;
}

constexpr std::pair<RunFinished::How, std::string_view> hows[] = {
    {RunFinished::How::completed, "completed"},
    {RunFinished::How::deadline, "deadline"},
    {RunFinished::How::stopped_after_failures, "stopped_after_failures"},
    {RunFinished::How::no_hosts, "no_hosts"},
    {RunFinished::How::interrupted, "interrupted"},
    {RunFinished::How::results_unwritable, "results_unwritable"},
};

// One function a fact, in each direction; the name of the event stands beside the reader in the
// table below.
struct Writer {
  Json operator()(const RunStarted& f) const {
    Json json{
        {"event", "run_started"}, {"version", journal_version},      {"run_id", f.run_id},
        {"job", f.job},           {"ff_ci_version", f.tool_version}, {"at", rfc3339(f.at)},
        {"seed", f.seed},         {"results", f.results_path},       {"durations", f.durations}};
    if (f.shard)
      json["shard"] = {
          {"index", f.shard->index}, {"count", f.shard->count}, {"plan", f.shard->plan}};
    if (!f.merged.empty()) json["merged"] = f.merged;
    if (f.gated) json["gated"] = true;
    if (f.baseline) {
      Json& baseline = json["baseline"];
      baseline = {{"source", f.baseline->source}, {"shown", f.baseline->shown}};
      for (const TestId& test : f.baseline->vanished)
        baseline["vanished"].push_back(test_to_json(test));
    }
    return json;
  }
  Json operator()(const RunResumed& f) const {
    return {{"event", "run_resumed"}, {"at", rfc3339(f.at)}, {"ff_ci_version", f.tool_version}};
  }
  Json operator()(const TestSelected& f) const {
    Json json{{"event", "test_selected"}, {"test", test_to_json(f.test)}};
    if (f.expected) json["expected_seconds"] = seconds(*f.expected);
    if (f.place != 0) json["place"] = f.place;
    return json;
  }
  Json operator()(const HostReady& f) const {
    Json json{{"event", "host_ready"},   {"host", f.host},     {"kind", f.kind},
              {"slots", f.slots},        {"kernel", f.kernel}, {"arch", f.arch},
              {"isolation", f.isolation}};
    if (!f.boot_id.empty()) json["boot_id"] = f.boot_id;
    if (!f.log_in.empty()) json["log_in"] = f.log_in;
    return json;
  }
  Json operator()(const HostLostFact& f) const {
    return {{"event", "host_lost"}, {"host", f.host}, {"reason", f.why}};
  }
  Json operator()(const HostReplaced& f) const {
    return {{"event", "host_replaced"}, {"host", f.host}, {"reason", f.why}};
  }
  Json operator()(const HostRetired& f) const {
    return {{"event", "host_retired"}, {"host", f.host}, {"reason", f.why}};
  }
  Json operator()(const SlotRetired& f) const {
    return {{"event", "slot_retired"}, {"host", f.host}, {"slot", f.slot}, {"reason", f.why}};
  }
  Json operator()(const SuiteSetUp& f) const {
    return {{"event", "suite_set_up"},
            {"host", f.host},
            {"suite", f.suite},
            {"duration_seconds", seconds(f.duration)},
            {"failure", optional_json(f.failure)}};
  }
  Json operator()(const SuiteTornDown& f) const {
    return {{"event", "suite_torn_down"},
            {"host", f.host},
            {"suite", f.suite},
            {"duration_seconds", seconds(f.duration)},
            {"failure", optional_json(f.failure)}};
  }
  Json operator()(const AttemptStarted& f) const {
    Json json{{"event", "attempt_started"},
              {"test", test_to_json(f.test)},
              {"attempt", f.attempt},
              {"host", f.host},
              {"slot", f.slot},
              {"files", f.files}};
    if (f.batch != 0) json["batch"] = f.batch;
    if (f.purpose != Purpose::verdict) json["purpose"] = purpose_name(f.purpose);
    return json;
  }
  Json operator()(const AttemptFinished& f) const {
    return {{"event", "attempt_finished"},
            {"test", test_to_json(f.test)},
            {"result", attempt_json(f.result)}};
  }
  Json operator()(const FilesKept& f) const {
    Json json{{"event", "files_kept"}, {"test", test_to_json(f.test)}, {"attempt", f.attempt}};
    if (!f.kept_files.empty()) json["kept_files"] = f.kept_files;
    if (!f.files_problem.empty()) json["files_problem"] = f.files_problem;
    if (f.purpose != Purpose::verdict) json["purpose"] = purpose_name(f.purpose);
    return json;
  }
  Json operator()(const RerunsOrdered& f) const {
    Json json{{"event", "reruns_ordered"}, {"orders", Json::array()}};
    for (const RerunOrder& order : f.orders) {
      Json one{{"test", test_to_json(order.test)}, {"change", order.change}};
      if (order.base > 0) one["base"] = order.base;
      if (order.settled) one["settled"] = decision_name(*order.settled);
      json["orders"].push_back(std::move(one));
    }
    return json;
  }
  Json operator()(const RunJudged& f) const {
    return Json{{"event", "run_judged"}, {"gate", judgement_to_json(f.judgement)}};
  }
  Json operator()(const TestFinished& f) const {
    Json json{{"event", "test_finished"}, {"test", test_to_json(f.test)}};
    if (f.not_run) json["not_run"] = *f.not_run;
    return json;
  }
  Json operator()(const RunStopping& f) const {
    return {{"event", "run_stopping"}, {"reason", f.why}};
  }
  Json operator()(const RunFinished& f) const {
    Json json{{"event", "run_finished"}};
    for (const auto& [how, name] : hows) {
      if (how == f.how) json["how"] = name;
    }
    if (f.signal != 0) json["signal"] = f.signal;
    return json;
  }
};

using Fact = decltype(RunEvent::fact);

WallTime time_from(const Json& json) {
  const auto at = parse_rfc3339(json.at("at").get<std::string>());
  if (!at) throw std::invalid_argument("'at' is not a time");
  return *at;
}

std::optional<BaselineFact> baseline_from(const Json& json) {
  const auto found = json.find("baseline");
  if (found == json.end()) return std::nullopt;
  BaselineFact baseline{text(*found, "source"), text(*found, "shown"), {}};
  for (const Json& test : found->value("vanished", Json::array()))
    baseline.vanished.push_back(test_from_json(test));
  return baseline;
}

RerunOrder order_from(const Json& json) {
  RerunOrder order{test_from_json(json.at("test")), size(json, "change"), size(json, "base"), {}};
  if (!json.contains("settled")) return order;
  const std::string settled = text(json, "settled");
  order.settled = decision_from_name(settled);
  if (!order.settled) throw std::invalid_argument(fmt::format("unknown decision '{}'", settled));
  return order;
}

RerunsOrdered orders_from(const Json& json) {
  RerunsOrdered ordered;
  for (const Json& order : json.at("orders"))
    ordered.orders.push_back(order_from(order));
  return ordered;
}

Judgement judgement_from(const Json& json) {
  try {
    return judgement_from_json(json.at("gate"));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("gate: {}", error.what()));
  }
}

Fact fact_from(const std::string& event, const Json& j) {
  if (event == "run_started") {
    if (const int version = j.at("version").get<int>(); version != journal_version) {
      throw std::invalid_argument(
          fmt::format("journal version {} is not known to this ff-ci", version));
    }
    std::optional<Shard> shard;
    if (const auto found = j.find("shard"); found != j.end()) {
      shard = Shard{whole(found->at("index")), whole(found->at("count")),
                    found->at("plan").get<std::string>()};
      if (shard->count > most_shards || shard->index < 1 || shard->index > shard->count) {
        throw std::invalid_argument(
            fmt::format("there is no shard {}/{}", shard->index, shard->count));
      }
    }
    return RunStarted{j.at("run_id").get<std::string>(),
                      text(j, "job"),
                      text(j, "ff_ci_version"),
                      time_from(j),
                      j.value("seed", std::uint64_t{0}),
                      text(j, "results"),
                      text(j, "durations"),
                      shard,
                      j.value("merged", std::vector<std::string>()),
                      j.value("gated", false),
                      baseline_from(j)};
  }
  if (event == "run_resumed") return RunResumed{time_from(j), text(j, "ff_ci_version")};
  if (event == "test_selected") {
    TestSelected selected{test_from_json(j.at("test")), {}, size(j, "place")};
    if (j.contains("expected_seconds")) selected.expected = duration(j.at("expected_seconds"));
    return selected;
  }
  if (event == "host_ready") {
    return HostReady{text(j, "host"),    text(j, "kind"),  whole(j, "slots", 1),
                     text(j, "kernel"),  text(j, "arch"),  text(j, "isolation"),
                     text(j, "boot_id"), text(j, "log_in")};
  }
  if (event == "host_lost") return HostLostFact{text(j, "host"), text(j, "reason")};
  if (event == "host_replaced") return HostReplaced{text(j, "host"), text(j, "reason")};
  if (event == "host_retired") return HostRetired{text(j, "host"), text(j, "reason")};
  if (event == "slot_retired")
    return SlotRetired{text(j, "host"), whole(j, "slot", 1), text(j, "reason")};
  if (event == "suite_set_up") {
    return SuiteSetUp{text(j, "host"), text(j, "suite"), duration(j.at("duration_seconds")),
                      optional_text(j, "failure")};
  }
  if (event == "files_kept") {
    return FilesKept{test_from_json(j.at("test")), whole(j.at("attempt")),
                     j.value("kept_files", std::vector<std::string>()), text(j, "files_problem"),
                     purpose(j)};
  }
  if (event == "reruns_ordered") return orders_from(j);
  if (event == "run_judged") return RunJudged{judgement_from(j)};
  if (event == "suite_torn_down") {
    return SuiteTornDown{text(j, "host"), text(j, "suite"), duration(j.at("duration_seconds")),
                         optional_text(j, "failure")};
  }
  if (event == "attempt_started") {
    return AttemptStarted{test_from_json(j.at("test")),
                          whole(j.at("attempt")),
                          text(j, "host"),
                          whole(j, "slot", 0),
                          text(j, "files"),
                          size(j, "batch"),
                          purpose(j)};
  }
  if (event == "attempt_finished")
    return AttemptFinished{test_from_json(j.at("test")), attempt_from(j.at("result"))};
  if (event == "test_finished")
    return TestFinished{test_from_json(j.at("test")), optional_text(j, "not_run")};
  if (event == "run_stopping") return RunStopping{text(j, "reason")};
  if (event == "run_finished") {
    const std::string name = text(j, "how");
    for (const auto& [how, known] : hows) {
      if (known == name) return RunFinished{how, whole(j, "signal", 0)};
    }
    throw std::invalid_argument(fmt::format("unknown end of a run '{}'", name));
  }
  throw std::invalid_argument(fmt::format("unknown event '{}'", event));
}

}  // namespace

std::string event_to_json(const RunEvent& event) {
  Json json{{"sequence", event.sequence}, {"time", seconds(event.time)}};
  json.update(std::visit(Writer{}, event.fact));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<RunEvent> event_from_json(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    return RunEvent{size(json.at("sequence")), duration(json.at("time")),
                    fact_from(json.at("event").get<std::string>(), json)};
  } catch (const std::exception& error) {
    return fail(ErrorKind::data, printable_line(error.what()));
  }
}

}  // namespace ffci
