#include "store/read_summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"
#include "json/judgement_json.hpp"

namespace ffci {
namespace {

using Json = nlohmann::ordered_json;

constexpr int deepest = 32;
constexpr double longest_seconds = 100.0 * 365 * 24 * 3600;
constexpr int most_restarts = 100'000;
constexpr std::string_view never_its_turn = "the run ended before its turn";  // of Run itself

// A value and where it stands: "tests/3/verdict". Throws std::invalid_argument with the place.
class Place {
 public:
  Place(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  [[noreturn]] void complain(const std::string& what) const {
    throw std::invalid_argument(fmt::format("{}{}{}", path_, path_.empty() ? "" : ": ", what));
  }

  [[nodiscard]] std::optional<Place> find(const char* key) const {
    if (!json_->is_object()) complain("expected an object");
    const auto found = json_->find(key);
    if (found == json_->end()) return std::nullopt;
    return Place(*found, path_.empty() ? key : fmt::format("{}/{}", path_, key));
  }
  [[nodiscard]] Place at(const char* key) const {
    auto found = find(key);
    if (!found) complain(fmt::format("'{}' is missing", key));
    return *found;
  }
  [[nodiscard]] std::vector<Place> items() const {
    if (!json_->is_array()) complain("expected a list");
    std::vector<Place> items;
    for (const Json& item : *json_)
      items.emplace_back(item, fmt::format("{}/{}", path_, items.size()));
    return items;
  }
  [[nodiscard]] std::vector<Place> items_of(const char* key) const {
    const auto found = find(key);
    return found ? found->items() : std::vector<Place>();
  }

  [[nodiscard]] const std::string& text() const {
    if (!json_->is_string()) complain("expected text");
    return json_->get_ref<const std::string&>();
  }
  [[nodiscard]] std::string text_of(const char* key) const {
    const auto found = find(key);
    return found ? found->text() : std::string();
  }
  [[nodiscard]] int whole(int least, int most) const {
    const bool fits = json_->is_number_integer() && *json_ >= least && *json_ <= most;
    if (!fits) complain(fmt::format("expected a whole number from {} to {}", least, most));
    return json_->get<int>();
  }
  [[nodiscard]] std::uint64_t size() const {
    if (!json_->is_number_unsigned()) complain("expected a whole number");
    return json_->get<std::uint64_t>();
  }
  [[nodiscard]] Duration seconds() const {
    const double value = json_->is_number() ? json_->get<double>() : -1;
    if (!(value >= 0 && value <= longest_seconds)) complain("expected seconds");
    return from_seconds(value);
  }
  // `reader`: throws what is wrong with it.
  template <class Reader>
  auto read(Reader reader) const {
    try {
      return reader(*json_);
    } catch (const std::exception& error) {
      complain(error.what());
    }
  }
  [[nodiscard]] WallTime time() const {
    const auto time = parse_rfc3339(text());
    if (!time) complain("expected a time such as 2026-01-31T12:00:00.000Z");
    return *time;
  }

 private:
  const Json* json_;
  std::string path_;
};

// Without looking at anything but brackets and quotes, so that the parser never sees what is
// deeper.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '{' || c == '[')) {
      if (++depth > deepest) return true;
    } else if (!quoted && (c == '}' || c == ']')) {
      --depth;
    }
  }
  return false;
}

std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}", lines + 1, before.size() - line_begin + 1);
}

TestId test_from(const Place& test) {
  TestId id{test.at("suite").text(), test.text_of("configuration"), test.at("name").text(), 1};
  if (const auto iteration = test.find("iteration")) id.iteration = iteration->whole(1, 1'000'000);
  return id;
}

std::optional<ExitStatus> exit_from(const Place& attempt) {
  if (const auto status = attempt.find("exit_status"))
    return ExitStatus{ExitStatus::Kind::exited, status->whole(0, 255)};
  const auto signal = attempt.find("signal");
  if (!signal) return std::nullopt;
  for (int number = 1; number <= 64; ++number) {
    if (signal_name(number) == signal->text())
      return ExitStatus{ExitStatus::Kind::signaled, number};
  }
  signal->complain(fmt::format("'{}' is no signal", printable_line(signal->text(), 60)));
}

// The limit is told by the reason only.
Duration limit_from(const Place& attempt, std::string_view reason) {
  constexpr std::string_view before = "timed out after ";
  const auto limit = reason.starts_with(before) ? parse_duration(reason.substr(before.size()))
                                                : std::optional<Duration>();
  return limit.value_or(attempt.at("duration_seconds").seconds());
}

// None: it is unfinished.
std::optional<Outcome> outcome_from(const Place& attempt) {
  const Place place = attempt.at("outcome");
  const std::string& name = place.text();
  const std::string why = attempt.text_of("reason");
  if (name == "unfinished") return std::nullopt;
  if (name == "passed") return Passed{};
  if (name == "failed")
    return Failed{why, exit_from(attempt), attempt.text_of("failure_signature")};
  if (name == "skipped") return Skipped{why};
  if (name == "timed_out") return TimedOut{limit_from(attempt, why)};
  if (name == "crashed") return Crashed{why, attempt.text_of("signature")};
  if (name == "host_lost") return HostLost{why};
  if (name == "setup_failed") return SetupFailed{why};
  if (name == "not_run") return NotRun{why};
  place.complain(fmt::format("'{}' is no outcome", printable_line(name, 60)));
}

Subtest subtest_from(const Place& subtest) {
  const Place word = subtest.at("status");
  for (const auto status : {Subtest::Status::passed, Subtest::Status::failed,
                            Subtest::Status::skipped, Subtest::Status::expected_failure}) {
    if (subtest_status_name(status) == word.text())
      return {subtest.at("name").text(), status, subtest.text_of("reason")};
  }
  word.complain(fmt::format("'{}' is no status", printable_line(word.text(), 60)));
}

// Its text is in a file that is elsewhere.
OutputExcerpt stream_from(const Place& attempt, const char* name) {
  OutputExcerpt stream;
  const auto output = attempt.find("output");
  const auto found = output ? output->find(name) : std::nullopt;
  if (!found) return stream;
  stream.bytes = stream.between = found->at("bytes").size();
  if (const auto cut = found->find("cut_bytes")) stream.cut_bytes = cut->size();
  return stream;
}

void read_files(const Place& place, Attempt& attempt) {
  for (const Place& file : place.items_of("files")) {
    const std::string& path = file.text();
    if (attempt.files.empty() && path.ends_with("/stdout"))
      attempt.files = path.substr(0, path.size() - std::string_view("/stdout").size());
    const std::string kept = attempt.files + "/files/";
    if (!attempt.files.empty() && path.starts_with(kept))
      attempt.kept_files.push_back(path.substr(kept.size()));
  }
}

Attempt attempt_from(const Place& place, WallTime run_started) {
  Attempt attempt;
  attempt.number = place.at("number").whole(1, 1'000'000);
  attempt.host = place.text_of("host");
  if (const auto slot = place.find("slot")) attempt.slot = slot->whole(1, 1'000'000);
  attempt.started = place.at("started").time() - run_started;
  attempt.duration = place.at("duration_seconds").seconds();
  attempt.outcome = outcome_from(place);
  for (const Place& subtest : place.items_of("subtests"))
    attempt.subtests.push_back(subtest_from(subtest));
  if (const auto dropped = place.find("subtests_dropped"))
    attempt.subtests_dropped = dropped->size();
  attempt.standard_output = stream_from(place, "stdout");
  attempt.standard_error = stream_from(place, "stderr");
  attempt.kernel_log = stream_from(place, "dmesg");
  attempt.trace = stream_from(place, "bpftrace");
  for (const Place& report : place.items_of("kernel_reports")) {
    attempt.kernel_reports.push_back(
        {report.at("title").text(), report.text_of("signature"), report.text_of("allowed")});
  }
  attempt.teardown_problem = place.text_of("teardown_problem");
  read_files(place, attempt);
  attempt.files_problem = place.text_of("files_problem");
  return attempt;
}

// "BEFORE name AFTER rest": the rest; nullopt: the text is not of this form.
std::optional<std::string> rest_of(std::string_view text, const std::string& before) {
  if (!text.starts_with(before)) return std::nullopt;
  return std::string(text.substr(before.size()));
}

class SummaryReader {
 public:
  std::vector<RunEvent> read(const Place& summary) {
    const Place version = summary.at("version");
    if (version.whole(0, 1'000'000'000) != 1)
      version.complain("this ff-ci reads summaries of version 1");
    read_header(summary);
    for (const Place& test : summary.at("tests").items())
      select(test);
    for (const Place& host : summary.items_of("hosts"))
      read_host(host);
    for (const Place& problem : summary.items_of("problems"))
      read_problem(problem.text());
    for (const Place& test : summary.at("tests").items())
      read_test(test);
    for (const Place& stop : summary.items_of("stops"))
      add(RunStopping{stop.text()});
    if (const auto gate = summary.find("gate")) add(RunJudged{gate->read(judgement_from_json)});
    if (summary.find("finished")) add(read_end(summary));
    return std::move(events_);
  }

 private:
  template <class Fact>
  void add(Fact fact, Duration time = {}) {
    events_.push_back({events_.size() + 1, time, std::move(fact)});
  }

  void read_header(const Place& summary) {
    RunStarted header;
    header.run_id = summary.at("run_id").text();
    if (header.run_id.empty()) summary.complain("'run_id' is empty");
    header.job = summary.text_of("job");
    header.tool_version = summary.text_of("ff_ci_version");
    header.at = summary.at("started").time();
    if (const auto shard = summary.find("shard")) {
      header.shard = Shard{shard->at("index").whole(1, 1'000'000),
                           shard->at("count").whole(1, 1'000'000), shard->text_of("plan")};
    }
    for (const Place& merged : summary.items_of("merged"))
      header.merged.push_back(merged.text());
    at_ = header.at;
    header.gated = summary.find("gate") || summary.find("judged");
    // The run lasts until its last event, whichever that is.
    add(std::move(header), summary.at("duration_seconds").seconds());
  }

  void select(const Place& test) {
    TestSelected selected{test_from(test), {}, 0};
    if (const auto expected = test.find("expected_seconds"))
      selected.expected = expected->seconds();
    if (const auto place = test.find("place"))
      selected.place = static_cast<std::size_t>(place->whole(0, 1'000'000'000));
    if (!seen_.insert({selected.test, 0}).second)
      test.complain(fmt::format("'{}' is there twice", printable_line(to_string(selected.test))));
    add(std::move(selected));
  }

  void read_host(const Place& place) {
    HostReady ready;
    ready.host = place.at("name").text();
    ready.kind = place.text_of("kind");
    if (const auto slots = place.find("slots")) ready.slots = slots->whole(0, 1'000'000);
    ready.kernel = place.text_of("kernel");
    ready.arch = place.text_of("arch");
    ready.isolation = place.text_of("isolation");
    ready.log_in = place.text_of("log_in");
    const auto restarts = place.find("restarts");
    restarts_[ready.host] = restarts ? restarts->whole(0, most_restarts) : 0;
    hosts_.push_back(ready);
    add(std::move(ready));
  }

  // A problem is told in the words of Run; those of a test's own teardown come with its attempt.
  void read_problem(const std::string& problem) {
    for (const HostReady& host : hosts_) {
      if (const auto why = rest_of(problem, fmt::format("host {} was lost: ", host.host))) {
        add(HostLostFact{host.host, *why});
        if (restarts_[host.host]-- > 0) add(host);
        return;
      }
      if (const auto why = rest_of(problem, fmt::format("host {} was retired: ", host.host)))
        return add(HostRetired{host.host, *why});
      if (read_scope_problem(problem, host.host) || read_slot_problem(problem, host.host)) return;
    }
  }

  bool read_slot_problem(const std::string& problem, const std::string& host) {
    const std::string retired = fmt::format(" of {} was retired: ", host);
    constexpr std::string_view before = "slot ";
    const std::size_t at = problem.find(retired);
    if (!problem.starts_with(before) || at == std::string::npos || at < before.size()) return false;
    const std::string number = problem.substr(before.size(), at - before.size());
    const bool digits = !number.empty() && number.size() < 8 &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (digits) add(SlotRetired{host, std::stoi(number), problem.substr(at + retired.size())});
    return digits;
  }

  bool read_scope_problem(const std::string& problem, const std::string& host) {
    const std::string failed = fmt::format(" failed on {}: ", host);
    const std::size_t at = problem.find(failed);
    constexpr std::string_view set_up = "set-up of suite ", teardown = "teardown of suite ";
    const bool of_set_up = problem.starts_with(set_up);
    if (at == std::string::npos || (!of_set_up && !problem.starts_with(teardown))) return false;
    const std::size_t begin = (of_set_up ? set_up : teardown).size();
    if (at < begin) return false;
    const std::string suite = problem.substr(begin, at - begin);
    const std::string why = problem.substr(at + failed.size());
    if (of_set_up) {
      add(SuiteSetUp{host, suite, {}, why});
    } else {
      add(SuiteTornDown{host, suite, {}, why});
    }
    return true;
  }

  void read_test(const Place& test) {
    const TestId id = test_from(test);
    std::vector<Outcome> outcomes;
    bool unfinished = false, any = false;
    for (const Place& place : test.at("attempts").items()) {
      Attempt attempt = attempt_from(place, at_);
      if (!seen_.insert({id, attempt.number}).second)
        place.complain(fmt::format("attempt {} is there twice", attempt.number));
      any = true;
      if (!attempt.outcome) {
        unfinished = true;
        add(AttemptStarted{id, attempt.number, attempt.host, attempt.slot, attempt.files},
            attempt.started);
        continue;
      }
      outcomes.push_back(*attempt.outcome);
      add(AttemptFinished{id, std::move(attempt)});
    }
    for (const Place& place : test.items_of("reruns"))
      read_rerun(id, place);
    check_verdict(test, outcomes);
    TestFinished finished{id, {}};
    if (const std::string why = test.text_of("reason"); !any && why != never_its_turn)
      finished.not_run = why;
    if (!unfinished && (any || finished.not_run)) add(std::move(finished));
  }

  void read_rerun(const TestId& id, const Place& place) {
    Attempt rerun = attempt_from(place, at_);
    rerun.purpose = purpose_from(place.at("purpose"));
    if (!seen_reruns_.insert({id, rerun.number}).second)
      place.complain(fmt::format("rerun {} is there twice", rerun.number));
    if (rerun.outcome) return add(AttemptFinished{id, std::move(rerun)});
    add(AttemptStarted{id, rerun.number, rerun.host, rerun.slot, rerun.files, 0, rerun.purpose},
        rerun.started);
  }

  static Purpose purpose_from(const Place& place) {
    const std::optional<Purpose> known = purpose_from_name(place.text());
    if (known && *known != Purpose::verdict) return *known;
    place.complain(fmt::format("'{}' is no purpose of a rerun", printable_line(place.text(), 60)));
  }

  // Verdicts are derived, so one that can't be derived is a lie.
  static void check_verdict(const Place& test, const std::vector<Outcome>& outcomes) {
    std::vector<const Outcome*> all;
    for (const Outcome& outcome : outcomes)
      all.push_back(&outcome);
    const Place written = test.at("verdict");
    const std::string_view derived = verdict_name(verdict_of(all));
    if (written.text() != derived) {
      written.complain(fmt::format("'{}', but its attempts say '{}'",
                                   printable_line(written.text(), 60), derived));
    }
  }

  // Of how it ended the file tells what its result depends on.
  static RunFinished read_end(const Place& summary) {
    const std::string result = summary.text_of("result");
    if (result == "no_hosts") return {RunFinished::How::no_hosts, 0};
    if (result != "interrupted") return {};
    const auto code = summary.find("exit_code");
    const int exit_code = code ? code->whole(0, 255) : 130;
    return {RunFinished::How::interrupted, exit_code > 128 ? exit_code - 128 : 2};
  }

  std::vector<RunEvent> events_;
  std::vector<HostReady> hosts_;
  std::map<std::string, int> restarts_;  // not yet told
  std::set<std::pair<TestId, int>> seen_, seen_reruns_;
  WallTime at_{};
};

Result<std::vector<RunEvent>> events_of_summary(std::string_view text, const std::string& shown) {
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorKind::data, fmt::format("{}: {}", shown, what));
  };
  if (text.size() > largest_summary)
    return refuse(fmt::format("is larger than {}", human_size(largest_summary)));
  if (is_too_deep(text)) return refuse("is no summary.json: it is nested too deeply");
  try {
    const Json json = Json::parse(text);
    if (!json.is_object()) return refuse("is no summary.json: expected an object");
    return SummaryReader().read(Place(json, ""));
  } catch (const Json::parse_error& error) {
    return fail(ErrorKind::data, fmt::format("{}:{}: is no summary.json: not JSON, or cut off",
                                             shown, line_and_column(text, error.byte)));
  } catch (const std::exception& error) {
    return refuse(printable_line(error.what()));
  }
}

}  // namespace

Result<Run> read_summary(std::string_view text, const std::string& shown) {
  const auto events = events_of_summary(text, shown);
  if (!events) return tl::unexpected(events.error());
  Run run;
  for (const RunEvent& event : *events)
    run.apply(event);
  return run;
}

}  // namespace ffci
