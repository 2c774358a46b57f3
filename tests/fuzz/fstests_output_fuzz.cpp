// The parser of fstests' output, fed anything in any pieces: it keeps what every parser owes
// (FactsWitness), says the same however the bytes are cut, and lets no test pass that has no line
// ending in a time.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "../unit/fstests_facts.hpp"
#include "suites/fstests_output.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(std::string_view what, std::string_view more = {}) {
  fmt::print(stderr, "{}\n{}\n", what, more);
  std::abort();
}

enum class Ending { by_itself, stopped, setup_failed, unreported, lost };

// What the first bytes of the input choose.
struct Choice {
  Ending ending = Ending::by_itself;
  bool section = false;
  bool file_system = false;
  bool noise_on_stderr = false;
  unsigned seed = 0;
  std::size_t longest_piece = 1;
};

Choice choice_of(std::uint8_t first, std::uint8_t second) {
  Choice choice;
  choice.ending = static_cast<Ending>(first % 5);
  choice.file_system = (first & 0x20) != 0;
  choice.section = (first & 0x40) != 0;
  choice.noise_on_stderr = (first & 0x80) != 0;
  choice.seed = second;
  choice.longest_piece = std::size_t{1} << (second % 13);
  return choice;
}

struct Told {
  std::string text;
  std::size_t passed = 0;
};

void add(Told& told, const std::vector<TestFact>& facts) {
  for (const TestFact& fact : facts) {
    if (const auto* began = std::get_if<TestBegan>(&fact)) {
      told.text += fmt::format("{} began\n", began->test);
      continue;
    }
    const auto& ended = std::get<TestEnded>(fact);
    if (std::holds_alternative<Passed>(ended.outcome)) ++told.passed;
    told.text += fmt::format("{} {}: {} {} {}\n", ended.test, outcome_name(ended.outcome),
                             reason_of(ended.outcome), ended.spoils_batch, ended.shared_blame);
  }
}

constexpr std::size_t whole_output = std::string_view::npos;

// Feeds `output` in pieces of at most so many bytes.
Told feed(std::string_view output, const Choice& choice, std::size_t longest_piece) {
  static constexpr std::string_view names[] = {"selftest/001", "selftest/002", "selftest/004",
                                               "selftest/107", "selftest/114", "generic/001",
                                               "generic/002",  "selftest/999"};
  std::vector<TestId> batch;
  for (const std::string_view name : names)
    batch.push_back({"fstests", choice.section ? "samp_ext4_1k" : "", std::string(name)});

  const auto parser = make_fstests_parser(batch, choice.file_system ? "ext4" : "");
  test::FactsWitness witness(batch.size());
  std::vector<TestFact> facts;
  Told told;
  Duration now{};
  const auto hear = [&](std::size_t bytes) {
    witness.hear(facts, bytes, now);
    if (!witness.broken().empty()) fail(witness.broken());
    add(told, facts);
    facts.clear();
  };

  parser->on_begin(now, facts);
  hear(0);
  if (choice.noise_on_stderr)
    parser->on_output(Stream::standard_error, output.substr(0, 200), now, facts);
  hear(0);
  std::minstd_rand random(choice.seed + 1);
  while (!output.empty()) {
    const std::string_view piece = output.substr(
        0, longest_piece == whole_output ? whole_output : 1 + random() % longest_piece);
    now += 1ms;
    parser->on_output(Stream::standard_output, piece, now, facts);
    hear(piece.size());
    output.remove_prefix(piece.size());
  }

  now += 1ms;
  CommandEnd end;
  if (choice.ending == Ending::by_itself || choice.ending == Ending::stopped)
    end.command = ExitStatus{ExitStatus::Kind::exited, 1};
  if (choice.ending == Ending::setup_failed) end.setup = ExitStatus{ExitStatus::Kind::exited, 32};
  end.stopped = choice.ending == Ending::stopped;
  if (choice.ending == Ending::lost) {
    parser->on_lost(facts);
    hear(0);
    return told;
  }
  parser->on_end(end, now, facts);
  hear(0);
  if (witness.running()) fail("a test still runs after the end");
  parser->on_end(end, now, facts);
  if (!facts.empty()) fail("the end was told twice");
  return told;
}

std::size_t lines_with_time(std::string_view output) {
  std::size_t count = 0;
  for (std::size_t newline = 0; (newline = output.find('\n')) != std::string_view::npos;
       output.remove_prefix(newline + 1)) {
    const std::string_view line = trim(output.substr(0, newline));
    if (line.size() > 1 && line.back() == 's' && line[line.size() - 2] >= '0' &&
        line[line.size() - 2] <= '9')
      ++count;
  }
  return count;
}

}  // namespace
}  // namespace ffci

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ffci;
  if (size < 2) return 0;
  const Choice choice = choice_of(data[0], data[1]);
  const std::string_view output =
      std::string_view(reinterpret_cast<const char*>(data), size).substr(2);
  const Told whole = feed(output, choice, whole_output);
  const Told pieces = feed(output, choice, choice.longest_piece);
  if (whole.text != pieces.text) fail(whole.text, pieces.text);
  if (whole.passed > lines_with_time(output)) fail("more passed than have a time", whole.text);
  return 0;
}
