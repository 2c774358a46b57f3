#include "report/junit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <pugixml.hpp>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/text.hpp"
#include "report/gate_text.hpp"
#include "report/junit_text.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

constexpr std::size_t longest_name = 1000;
constexpr std::size_t longest_path = 4096;
constexpr int most_failed_subtests = 50;

using TestList = std::vector<const TestResult*>;

std::string seconds(Duration d) {
  return fmt::format("{:.3f}", to_seconds(d));
}

// Readers refuse an element without a name.
std::string name_of(std::string_view text) {
  const std::string name = shown_line(text, longest_name);
  return name.empty() ? "(no name)" : name;
}

void set(pugi::xml_node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(value.c_str());
}

std::string failure_type(const Outcome& outcome) {
  if (std::holds_alternative<TimedOut>(outcome)) return "timeout";
  if (std::holds_alternative<Crashed>(outcome)) return "crash";
  return std::string(outcome_name(outcome));
}

std::string failed_subtests(const Attempt& attempt, std::size_t most_bytes) {
  std::string text;
  int failed = 0, named = 0;
  for (const Subtest& subtest : attempt.subtests) {
    if (subtest.status != Subtest::Status::failed) continue;
    ++failed;
    if (named == most_failed_subtests || text.size() >= most_bytes) continue;
    text += "  " + shown_line(subtest.name) + "\n";
    ++named;
  }
  if (failed == 0) return {};
  if (failed > named) text += fmt::format("  and {} more\n", failed - named);
  return fmt::format("failed subtests ({} of {}):\n{}", failed,
                     attempt.subtests.size() + attempt.subtests_dropped, text);
}

// What the gate says of each result; where it says nothing, the verdict counts.
class Judgements {
 public:
  explicit Judgements(const Run& run) {
    if (!run.judgement()) return;
    const JudgedTests judged(run);
    // Of several iterations those that failed are meant, or else the first.
    std::unordered_set<const TestJudgement*> told;
    for (const TestResult& test : run.tests()) {
      if (is_bad(test.verdict())) told.insert(judged.of(test.id));
    }
    for (const TestResult& test : run.tests()) {
      const TestJudgement* of_test = judged.of(test.id);
      if (of_test == nullptr) continue;
      if (is_bad(test.verdict()) || told.insert(of_test).second) meant_.emplace(test.id, of_test);
    }
  }

  [[nodiscard]] const TestJudgement* of(const TestResult& test) const {
    const auto found = meant_.find(test.id);
    return found == meant_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<TestId, const TestJudgement*> meant_;
};

// The gate's word for it: a regression is one even where the test passed in the end.
enum class Shown { passed, flaky, skipped, failure, error };

Shown shown_as(const TestResult& test, const TestJudgement* judged, bool open) {
  const Verdict verdict = test.verdict();
  if (judged != nullptr && judged->decision == Decision::regression) return Shown::failure;
  if (verdict == Verdict::passed) return Shown::passed;
  if (verdict == Verdict::flaky) return Shown::flaky;
  if (verdict == Verdict::skipped) return Shown::skipped;
  if (!is_bad(verdict)) return Shown::error;
  if (judged == nullptr) return open ? Shown::error : Shown::failure;
  switch (judged->decision) {
    case Decision::regression:
    case Decision::failure:
      return Shown::failure;
    case Decision::inconclusive:
      return Shown::error;
    case Decision::flaky:
      return Shown::flaky;
    case Decision::known:
    case Decision::noted:
      return Shown::skipped;
  }
  return Shown::failure;
}

// What explains how the test is shown: where it failed for the gate though it passed in the end,
// the attempt that made it suspect.
const Attempt* attempt_to_tell(const TestResult& test, Shown shown) {
  const Attempt* decided = test.deciding_attempt();
  if (shown != Shown::failure || is_bad(test.verdict())) return decided;
  const Attempt* last_bad = nullptr;
  for (const auto* attempts : {&test.attempts, &test.reruns}) {
    for (const Attempt& attempt : *attempts) {
      if (attempt.purpose != Purpose::base && attempt.outcome && is_bad(*attempt.outcome))
        last_bad = &attempt;
    }
  }
  return last_bad != nullptr ? last_bad : decided;
}

// What the gate says, and the test's own reason where that does not tell it.
std::string judged_reason(const TestResult& test, const TestJudgement& judged) {
  std::string text = fmt::format("{}: {}", judged_word(judged), judged.why);
  const std::string own = test.reason();
  if (judged.why.find(own) == std::string::npos) text += "; " + own;
  return text;
}

// Tests of the baseline without which the build is red.
std::vector<const TestJudgement*> vanished_tests(const Run& run) {
  std::vector<const TestJudgement*> vanished;
  if (!run.judgement()) return vanished;
  for (const TestJudgement& judged : run.judgement()->tests) {
    if (judged.change == Change::vanished && judged.decision == Decision::regression)
      vanished.push_back(&judged);
  }
  return vanished;
}

class JunitWriter {
 public:
  JunitWriter(const Run& run, const JunitOptions& options)
      : run_(run),
        options_(options),
        budget_(junit_budget(run)),
        judgements_(run),
        vanished_(vanished_tests(run)) {}

  std::string write();

 private:
  void add_suite(pugi::xml_node root, std::size_t number, const TestList& tests) const;
  void add_properties(pugi::xml_node suite, const TestList& tests) const;
  void add_case(pugi::xml_node suite, const TestResult& test) const;
  void add_verdict(pugi::xml_node node, const TestResult& test) const;
  void add_earlier_attempts(pugi::xml_node node, const TestResult& test) const;
  void add_output(pugi::xml_node node, const TestResult& test) const;
  // With the message as the first line of the body, since GitLab drops the attribute when there is
  // a body.
  pugi::xml_node add_told(pugi::xml_node node, const char* element, std::string_view type,
                          std::string_view why) const;
  std::string details(const Attempt& attempt, std::string_view message) const;
  std::string attachments(const TestResult& test) const;
  std::vector<const HostRecord*> hosts_of(const TestList& tests) const;
  void add_vanished(pugi::xml_node root, std::size_t number) const;
  void set_totals(pugi::xml_node node, const TestList& tests, Duration time, WallTime began,
                  std::size_t vanished = 0) const;
  // The gate has yet to say what it makes of failures.
  [[nodiscard]] bool is_open() const { return run_.header().gated && !run_.judgement(); }
  [[nodiscard]] Shown shown_of(const TestResult& test) const {
    return shown_as(test, judgements_.of(test), is_open());
  }

  const Run& run_;
  const JunitOptions& options_;
  const JunitBudget budget_;
  const Judgements judgements_;
  const std::vector<const TestJudgement*> vanished_;
};

void JunitWriter::set_totals(pugi::xml_node node, const TestList& tests, Duration time,
                             WallTime began, std::size_t vanished) const {
  std::map<Shown, std::size_t> number;
  for (const TestResult* test : tests)
    ++number[shown_of(*test)];
  set(node, "tests", std::to_string(tests.size() + vanished));
  set(node, "failures", std::to_string(number[Shown::failure] + vanished));
  set(node, "errors", std::to_string(number[Shown::error]));
  set(node, "skipped", std::to_string(number[Shown::skipped]));
  set(node, "time", seconds(time));
  set(node, "timestamp", rfc3339(began));
}

// In the order of their first tests.
std::vector<TestList> by_suite(const TestList& tests) {
  std::vector<TestList> suites;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> index;
  for (const TestResult* test : tests) {
    const auto [at, added] =
        index.try_emplace({test->id.suite, test->id.configuration}, suites.size());
    if (added) suites.emplace_back();
    suites[at->second].push_back(test);
  }
  return suites;
}

std::string suite_name(const TestId& id) {
  return name_of(id.configuration.empty() ? id.suite : id.suite + "." + id.configuration);
}

std::string JunitWriter::write() {
  TestList all;
  for (const TestResult& test : run_.tests())
    all.push_back(&test);

  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  set(declaration, "version", "1.0");
  set(declaration, "encoding", "UTF-8");
  pugi::xml_node root = document.append_child("testsuites");
  set(root, "name", name_of(run_.header().job));
  set_totals(root, all, run_.duration(), run_.header().at, vanished_.size());
  const std::vector<TestList> suites = by_suite(all);
  for (std::size_t i = 0; i < suites.size(); ++i)
    add_suite(root, i, suites[i]);
  if (!vanished_.empty()) add_vanished(root, suites.size());

  struct ToString final : pugi::xml_writer {
    std::string text;
    void write(const void* data, std::size_t size) override {
      text.append(static_cast<const char*>(data), size);
    }
  } writer;
  document.save(writer, "  ", pugi::format_indent, pugi::encoding_utf8);
  return std::move(writer.text);
}

void JunitWriter::add_suite(pugi::xml_node root, std::size_t number, const TestList& tests) const {
  Duration time{}, began = Duration::max();
  for (const TestResult* test : tests) {
    time += test->duration();
    if (!test->attempts.empty()) began = std::min(began, test->attempts.front().started);
  }
  if (began == Duration::max()) began = Duration{};
  pugi::xml_node suite = root.append_child("testsuite");
  set(suite, "name", suite_name(tests.front()->id));
  set(suite, "id", std::to_string(number));
  set_totals(suite, tests, time, run_.header().at + began);
  const std::vector<const HostRecord*> hosts = hosts_of(tests);
  if (!hosts.empty()) set(suite, "hostname", name_of(hosts.front()->name));
  add_properties(suite, tests);
  for (const TestResult* test : tests)
    add_case(suite, *test);
}

void JunitWriter::add_vanished(pugi::xml_node root, std::size_t number) const {
  pugi::xml_node suite = root.append_child("testsuite");
  set(suite, "name", "vanished tests");
  set(suite, "id", std::to_string(number));
  set_totals(suite, {}, {}, run_.header().at, vanished_.size());
  for (const TestJudgement* judged : vanished_) {
    pugi::xml_node node = suite.append_child("testcase");
    set(node, "name", name_of(judged->id.name));
    set(node, "classname", suite_name(judged->id));
    set(node, "time", seconds({}));
    pugi::xml_node told = add_told(node, "failure", "vanished",
                                   fmt::format("{}: {}", judged_word(*judged), judged->why));
    told.text().set(told.attribute("message").value());
  }
}

std::vector<const HostRecord*> JunitWriter::hosts_of(const TestList& tests) const {
  std::set<std::string_view> names;
  for (const TestResult* test : tests) {
    for (const Attempt& attempt : test->attempts)
      names.insert(attempt.host);
  }
  std::vector<const HostRecord*> hosts;
  for (const HostRecord& host : run_.hosts()) {
    if (names.contains(host.name)) hosts.push_back(&host);
  }
  return hosts;
}

void JunitWriter::add_properties(pugi::xml_node suite, const TestList& tests) const {
  pugi::xml_node properties = suite.append_child("properties");
  const auto add = [&](const char* name, std::string_view value) {
    if (value.empty()) return;
    pugi::xml_node property = properties.append_child("property");
    set(property, "name", name);
    set(property, "value", shown_line(value));
  };
  add("run_id", run_.header().run_id);
  add("job", run_.header().job);
  add("ff_ci_version", run_.header().tool_version);
  std::set<std::string> kernels, archs;
  for (const HostRecord* host : hosts_of(tests))
    kernels.insert(host->kernel), archs.insert(host->arch);
  add("kernel", fmt::format("{}", fmt::join(kernels, ", ")));
  add("arch", fmt::format("{}", fmt::join(archs, ", ")));
}

void JunitWriter::add_case(pugi::xml_node suite, const TestResult& test) const {
  pugi::xml_node node = suite.append_child("testcase");
  set(node, "name", name_of(name_with_iteration(test.id)));
  set(node, "classname", suite_name(test.id));
  set(node, "time", seconds(test.duration()));
  add_verdict(node, test);
  add_earlier_attempts(node, test);
  add_output(node, test);
}

pugi::xml_node JunitWriter::add_told(pugi::xml_node node, const char* element,
                                     std::string_view type, std::string_view why) const {
  pugi::xml_node told = node.append_child(element);
  set(told, "message", junit_message(why.empty() ? "no reason was given" : why, budget_.message));
  if (!type.empty()) set(told, "type", std::string(type));
  return told;
}

std::string JunitWriter::details(const Attempt& attempt, std::string_view message) const {
  return fmt::format("{}\n{}{}{}", message, junit_kernel_reports(attempt, budget_),
                     failed_subtests(attempt, budget_.excerpt),
                     junit_excerpt(attempt, budget_.excerpt));
}

void JunitWriter::add_verdict(pugi::xml_node node, const TestResult& test) const {
  const TestJudgement* judged = judgements_.of(test);
  const Shown shown = shown_of(test);
  if (shown == Shown::passed || shown == Shown::flaky) return;
  const Attempt* decided = attempt_to_tell(test, shown);
  const bool ended = decided != nullptr && decided->outcome;
  const bool judges = judged != nullptr && (is_bad(test.verdict()) || shown == Shown::failure);
  std::string why = judges ? judged_reason(test, *judged) : test.reason();
  const bool open = is_open() && is_bad(test.verdict());
  if (open) why = "not judged by the gate: " + why;
  const std::string_view outcome = ended ? outcome_name(*decided->outcome) : "not_run";
  pugi::xml_node told;
  if (shown == Shown::skipped) {
    told = add_told(node, "skipped", "", why);
  } else if (shown == Shown::failure) {
    const bool red = judged != nullptr && judged->decision == Decision::regression;
    told = add_told(node, "failure", red ? "regression" : failure_type(*decided->outcome), why);
  } else {
    told = add_told(node, "error", judges || open ? "inconclusive" : outcome, why);
  }
  const std::string message = told.attribute("message").value();
  told.text().set(
      (ended && shown != Shown::skipped ? details(*decided, message) : message).c_str());
}

void JunitWriter::add_earlier_attempts(pugi::xml_node node, const TestResult& test) const {
  const TestJudgement* judged = judgements_.of(test);
  const Shown shown = shown_of(test);
  if (shown == Shown::passed || shown == Shown::skipped) return;
  const Attempt* cleared =
      shown == Shown::flaky && is_bad(test.verdict()) ? test.deciding_attempt() : nullptr;
  const Attempt* decided = shown == Shown::flaky ? nullptr : attempt_to_tell(test, shown);
  for (const auto* attempts : {&test.attempts, &test.reruns}) {
    for (const Attempt& attempt : *attempts) {
      if (&attempt == decided || !attempt.outcome || !is_bad(*attempt.outcome)) continue;
      if (attempt.purpose == Purpose::base) continue;
      const char* element = shown == Shown::flaky ? "flakyFailure" : "rerunFailure";
      const std::string why =
          &attempt == cleared ? judged_reason(test, *judged) : reason_of(*attempt.outcome);
      pugi::xml_node told = add_told(node, element, failure_type(*attempt.outcome), why);
      const std::string text = details(attempt, told.attribute("message").value());
      told.append_child("stackTrace").text().set(text.c_str());
    }
  }
}

void JunitWriter::add_output(pugi::xml_node node, const TestResult& test) const {
  const Attempt* shown = test.deciding_attempt();
  const bool worth =
      shown != nullptr && test.verdict() != Verdict::passed && test.verdict() != Verdict::skipped;
  std::string out = attachments(test), err;
  if (worth) {
    out += junit_stream(shown->standard_output,
                        shown->files.empty() ? "" : shown->files + "/stdout", budget_.stream);
    err = junit_stream(shown->standard_error, shown->files.empty() ? "" : shown->files + "/stderr",
                       budget_.stream);
  }
  if (!out.empty()) node.append_child("system-out").text().set(out.c_str());
  if (!err.empty()) node.append_child("system-err").text().set(err.c_str());
}

// GitLab takes the first one of a case, so the attempt that decided comes first.
std::string JunitWriter::attachments(const TestResult& test) const {
  if (!options_.attachment_root) return {};
  std::vector<const Attempt*> bad;
  for (const Attempt& attempt : test.attempts) {
    if (attempt.outcome && is_bad(*attempt.outcome) && !attempt.files.empty())
      bad.push_back(&attempt);
  }
  const Attempt* decided = test.deciding_attempt();
  std::stable_partition(bad.begin(), bad.end(),
                        [&](const Attempt* attempt) { return attempt == decided; });
  std::string text;
  for (const Attempt* attempt : bad) {
    const auto add = [&](const char* stream) {
      const std::filesystem::path path =
          std::filesystem::path(*options_.attachment_root) / attempt->files / stream;
      text += fmt::format("[[ATTACHMENT|{}]]\n", printable_line(path.string(), longest_path));
    };
    add("stdout"), add("stderr");
    if (attempt->kernel_log.bytes > 0) add("dmesg");
  }
  return text;
}

}  // namespace

std::string junit_xml(const Run& run, const JunitOptions& options) {
  return JunitWriter(run, options).write();
}

}  // namespace ffci
