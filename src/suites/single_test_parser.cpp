#include "suites/single_test_parser.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace ffci {
namespace {

constexpr std::size_t longest_last_line = 200;

bool shows_something(std::string_view line) {
  if (trim(line).empty()) return false;
  return line.find('\x1B') == std::string_view::npos || !printable_line(line).empty();
}

}  // namespace

void SingleTestParser::on_begin(Duration at, std::vector<TestFact>& facts) {
  facts.emplace_back(TestBegan{0, at});
}

void SingleTestParser::on_output(Stream stream, std::string_view bytes, Duration,
                                 std::vector<TestFact>&) {
  output(stream).lines.feed(bytes, [&](std::string_view line) { note_line(stream, line); });
}

void SingleTestParser::on_end(const CommandEnd& end, Duration at, std::vector<TestFact>& facts) {
  for (const Stream stream : {Stream::standard_output, Stream::standard_error}) {
    output(stream).lines.finish([&](std::string_view line) { note_line(stream, line); });
  }
  TestEnded ended;
  ended.at = at;
  // The host has measured the command itself, without set-up and teardown.
  if (end.command) ended.duration = end.duration;
  add_subtests(ended);
  if (end.stopped) {
    ended.outcome = NotRun{"stopped"};
  } else if (end.setup && !end.setup->success()) {
    ended.outcome = SetupFailed{"test set-up failed: " + describe(*end.setup)};
  } else if (!end.command) {
    ended.outcome =
        HostLost{end.trouble.empty() ? "the command's end was not reported" : end.trouble};
  } else {
    ended.outcome = judge(*end.command);
  }
  if (end.teardown && !end.teardown->success()) ended.teardown_problem = describe(*end.teardown);
  facts.emplace_back(std::move(ended));
}

void SingleTestParser::note_line(Stream stream, std::string_view line) {
  if (shows_something(line)) output(stream).last_line = line;
  on_line(stream, line);
}

std::string SingleTestParser::last_line(Stream stream) const {
  return printable_line(stream == Stream::standard_output ? stdout_.last_line : stderr_.last_line,
                        longest_last_line);
}

std::string SingleTestParser::last_line() const {
  const std::string line = last_line(Stream::standard_error);
  return line.empty() ? last_line(Stream::standard_output) : line;
}

std::string SingleTestParser::describe_with_last_line(ExitStatus status) const {
  const std::string line = last_line();
  return line.empty() ? describe(status) : fmt::format("{}: {}", describe(status), line);
}

}  // namespace ffci
