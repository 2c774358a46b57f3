// KtapReader reads the lines of (K)TAP output as they arrive and keeps what they say of the
// subtests. It takes everything as far as it makes sense, noise included; memory is bounded
// whatever comes. What the subtests mean for the test is ktap_protocol's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/attempt.hpp"
#include "suites/ktap_line.hpp"

namespace ffci {

struct KtapReport {
  struct PlanMismatch {
    std::uint64_t planned = 0, reported = 0;
  };

  // In the order of their result lines: children before their parent.
  std::vector<Subtest> subtests;
  std::uint64_t subtests_dropped = 0;  // more than are kept
  // Counted over all subtests. One that has subtests of its own counts only where it failed and
  // none of them did.
  std::uint64_t reported = 0, failed = 0, skipped = 0;
  std::vector<std::string> first_failures;
  bool planned_none = false;            // "1..0"
  std::string skip_reason;              // of "1..0 # SKIP …", else of the last skipped subtest
  std::optional<std::string> bail_out;  // the reason, which may be empty
  std::optional<PlanMismatch> plan_mismatch;  // of the outermost plan
};

class KtapReader {
 public:
  static constexpr std::size_t most_subtests = 10'000;
  static constexpr std::size_t most_failures_named = 3;

  void read(std::string_view line);
  [[nodiscard]] KtapReport finish();

 private:
  // Results at one depth of nesting, until the result of their parent comes.
  struct Level {
    std::size_t column = 0;
    std::size_t first_subtest = 0, first_failure = 0;  // which of the kept ones are below
    std::string name;                                  // by "# Subtest: NAME"
    std::string skip_reason;                           // by its plan
    std::uint64_t reported = 0, failed = 0, skipped = 0;
    std::uint64_t last_number = 0;
    bool numbered = false;
  };
  // What one outermost plan covers; scripts print one for each program that they run.
  struct Document {
    std::optional<std::uint64_t> planned;
    std::uint64_t reported = 0, highest_number = 0;
    std::uint64_t totals = 0;
    std::string first_result;
  };

  void take(std::size_t, const ktap::Noise&) {}
  void take(std::size_t column, const ktap::Version& version);
  void take(std::size_t column, const ktap::Plan& plan);
  void take(std::size_t column, const ktap::SubtestHeader& header);
  void take(std::size_t column, ktap::Result& result);
  void take(std::size_t column, const ktap::BailOut& bail_out);
  void take(std::size_t column, const ktap::Totals& totals);

  Level* level_of_result(std::size_t column);
  Level* open_level(std::size_t column);
  Level close_level(std::string_view parent_name);
  Level adopt_children(Subtest& parent);
  void close_orphans_above(std::size_t depth);
  void count_in_document(const ktap::Result& result, std::uint64_t number);
  static bool is_beginning(const Document& part, const Document& whole);
  void end_document();

  std::vector<Level> levels_{Level{}};  // the outermost first; never empty
  Document document_;
  std::optional<Document> whole_;   // the last one whose results fit its plan
  std::optional<Document> broken_;  // the first one whose results do not
  bool announced_tap_ = false;      // by a version or a plan
  std::string announced_name_;      // of a level that is not open yet
  std::string last_skip_reason_;
  KtapReport report_;
};

}  // namespace ffci
