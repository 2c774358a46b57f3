#include "report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

struct Kind {
  Change change;
  std::string_view title, counted_as;
};

// In the order in which a reader wants to know.
constexpr Kind kinds[] = {
    {Change::regression, "Regressions", "regressions"},
    {Change::new_failure, "New failures", "new failures"},
    {Change::known_failure, "Still failing", "still failing"},
    {Change::fixed, "Fixed", "fixed"},
    {Change::incomplete, "Without a result now", "without a result"},
    {Change::completed, "Without a result before, fine now", "with a result now"},
    {Change::run_to_skip, "Skipped now", "skipped now"},
    {Change::skip_to_run, "No longer skipped", "no longer skipped"},
    {Change::added, "Added", "added"},
    {Change::vanished, "Vanished", "vanished"},
};

bool has_run(std::optional<Verdict> verdict) {
  return verdict && (*verdict == Verdict::passed || *verdict == Verdict::flaky || is_bad(*verdict));
}

// Small differences say nothing: both a second and a quarter of what it took before.
bool clearly_longer(Duration d, Duration than) {
  return d - than > std::chrono::seconds(1) && 4 * d > 5 * than;
}

std::string durations(const TestChange& test) {
  return fmt::format("{} -> {}", human_duration(test.duration_before),
                     human_duration(test.duration_after));
}

std::string verdicts(const TestChange& test) {
  std::string text;
  if (test.before && test.after) {
    text = fmt::format("{} -> {}", verdict_name(*test.before), verdict_name(*test.after));
  } else {
    text = verdict_name(test.after ? *test.after : *test.before);
  }
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

class ComparisonText {
 public:
  explicit ComparisonText(const RunComparison& comparison) : comparison_(comparison) {}

  std::string text() {
    for (const Kind& kind : kinds) {
      add(kind.title, [&](const TestChange& test) { return test.change == kind.change; });
    }
    add("Flaky now", [](const TestChange& test) {
      return test.before == Verdict::passed && test.after == Verdict::flaky;
    });
    add_durations("Slower", [](const TestChange& test) {
      return clearly_longer(test.duration_after, test.duration_before);
    });
    add_durations("Faster", [](const TestChange& test) {
      return clearly_longer(test.duration_before, test.duration_after);
    });
    add_totals();
    return std::move(text_);
  }

 private:
  template <class Wanted>
  void add(std::string_view title, Wanted wanted) {
    add_list(title, wanted, [](const TestChange& test) {
      const std::string reason = shown_line(test.reason);
      return fmt::format("  {}  {}{}{}\n", shown_name(test.id), verdicts(test),
                         reason.empty() ? "" : "  ", reason);
    });
  }

  template <class Wanted>
  void add_durations(std::string_view title, Wanted wanted) {
    add_list(
        title,
        [&](const TestChange& test) {
          return has_run(test.before) && has_run(test.after) && wanted(test);
        },
        [](const TestChange& test) {
          return fmt::format("  {}  {}\n", shown_name(test.id), durations(test));
        });
  }

  template <class Wanted, class Line>
  void add_list(std::string_view title, Wanted wanted, Line line) {
    std::string lines;
    std::size_t number = 0;
    for (const TestChange& test : comparison_.tests) {
      if (!wanted(test)) continue;
      lines += line(test);
      ++number;
    }
    if (number > 0) text_ += fmt::format("{} ({}):\n{}\n", title, number, lines);
  }

  void add_totals() {
    std::map<Change, std::size_t> counts;
    Duration before{}, after{};
    for (const TestChange& test : comparison_.tests) {
      ++counts[test.change];
      before += test.duration_before;
      after += test.duration_after;
    }
    text_ += fmt::format("{} -> {}: {}", shown_line(comparison_.run_a),
                         shown_line(comparison_.run_b), counted(comparison_.tests.size(), "test"));
    for (const Kind& kind : kinds) {
      if (counts[kind.change] > 0)
        text_ += fmt::format(", {}: {}", kind.counted_as, counts[kind.change]);
    }
    text_ += fmt::format(", unchanged: {}; test time {} -> {}\n", counts[Change::unchanged],
                         human_duration(before), human_duration(after));
  }

  const RunComparison& comparison_;
  std::string text_;
};

}  // namespace

std::string comparison_text(const RunComparison& comparison) {
  return ComparisonText(comparison).text();
}

}  // namespace ffci
