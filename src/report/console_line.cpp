#include "report/console_line.hpp"

#include <fmt/format.h>

#include "report/shown_text.hpp"

namespace ffci {
namespace {

int sgr_code(Paint paint) {
  switch (paint) {
    case Paint::bold:
      return 1;
    case Paint::dim:
      return 2;
    case Paint::red:
      return 31;
    case Paint::green:
      return 32;
    case Paint::yellow:
      return 33;
    case Paint::magenta:
      return 35;
    case Paint::cyan:
      return 36;
  }
  return 0;
}

}  // namespace

std::string painted(Colour colour, Paint paint, std::string_view text) {
  if (colour == Colour::no) return std::string(text);
  return fmt::format("\x1B[{}m{}\x1B[0m", sgr_code(paint), text);
}

std::string_view verdict_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "PASS";
    case Verdict::failed:
      return "FAIL";
    case Verdict::timed_out:
      return "TIME OUT";
    case Verdict::crashed:
      return "CRASH";
    case Verdict::flaky:
      return "FLAKY";
    case Verdict::skipped:
      return "SKIP";
    case Verdict::error:
      return "ERROR";
    case Verdict::not_run:
      return "NOT RUN";
  }
  return "NOT RUN";
}

Paint verdict_paint(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return Paint::green;
    case Verdict::failed:
    case Verdict::timed_out:
    case Verdict::crashed:
      return Paint::red;
    case Verdict::flaky:
      return Paint::yellow;
    case Verdict::skipped:
      return Paint::cyan;
    case Verdict::error:
      return Paint::magenta;
    case Verdict::not_run:
      return Paint::dim;
  }
  return Paint::dim;
}

std::string counted(std::size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string shown_name(const TestId& id) {
  return shown_line(to_string(id));
}

std::string place_of(const Attempt& attempt) {
  if (attempt.host.empty() || attempt.slot == 0) return shown_line(attempt.host);
  return fmt::format("{}/{}", shown_line(attempt.host), attempt.slot);
}

std::string to_string(const TestLine& line, Colour colour) {
  std::string text = painted(colour, line.paint, fmt::format("{:>8}", line.word));
  text += fmt::format(" {:>7}  {}", line.duration ? human_duration(*line.duration) : "", line.name);
  if (!line.reason.empty()) text += "  " + line.reason;
  if (!line.place.empty()) text += "  [" + line.place + "]";
  return text;
}

TestLine line_of(const TestResult& test) {
  const Verdict verdict = test.verdict();
  TestLine line{verdict_word(verdict), verdict_paint(verdict),    {},
                shown_name(test.id),   shown_line(test.reason()), {}};
  if (const Attempt* decided = test.deciding_attempt(); decided != nullptr) {
    if (decided->outcome) line.duration = decided->duration;
    line.place = place_of(*decided);
    // The reason of a flaky test names the attempts itself.
    if (test.attempts.size() > 1 && verdict != Verdict::flaky) {
      line.place += fmt::format("{}attempt {}", line.place.empty() ? "" : ", ", decided->number);
    }
  }
  return line;
}

}  // namespace ffci
