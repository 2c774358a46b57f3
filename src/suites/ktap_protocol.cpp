#include <fmt/format.h>
#include <fmt/ranges.h>

#include "suites/ktap.hpp"
#include "suites/protocol.hpp"
#include "suites/single_test_parser.hpp"

namespace ffci {
namespace {

class KtapParser final : public SingleTestParser {
 private:
  void on_line(Stream stream, std::string_view line) override {
    if (stream == Stream::standard_output) reader_.read(line);
  }
  void add_subtests(TestEnded& ended) override {
    report_ = reader_.finish();
    ended.subtests = std::move(report_.subtests);
    ended.subtests_dropped = report_.subtests_dropped;
  }
  [[nodiscard]] Outcome judge(ExitStatus status) const override;
  [[nodiscard]] std::string reported_failure() const;
  [[nodiscard]] std::string skip_reason(std::string otherwise) const;

  KtapReader reader_;
  KtapReport report_;
};

Outcome KtapParser::judge(ExitStatus status) const {
  if (status == ExitStatus{ExitStatus::Kind::exited, skip_exit_code}) {
    const std::string line = last_line(Stream::standard_output);
    return Skipped{skip_reason(line.empty() ? describe(status) : line)};
  }
  const std::string failure = reported_failure();
  if (!status.success()) {
    return Failed{failure.empty() ? describe_with_last_line(status)
                                  : fmt::format("{} ({})", failure, describe(status)),
                  status};
  }
  if (!failure.empty()) return Failed{failure, status};
  // A program that breaks off with a status of its own is better described by that.
  if (const auto& plan = report_.plan_mismatch) {
    return Failed{fmt::format("planned {} subtest{}, {} reported", plan->planned,
                              plan->planned == 1 ? "" : "s", plan->reported),
                  status};
  }
  if (report_.reported == 0 && report_.planned_none)
    return Skipped{skip_reason("no subtests were planned")};
  if (report_.reported > 0 && report_.skipped == report_.reported)
    return Skipped{skip_reason("every subtest was skipped")};
  return Passed{};
}

// What the output itself calls a failure; empty: nothing.
std::string KtapParser::reported_failure() const {
  if (report_.bail_out)
    return report_.bail_out->empty() ? "bailed out" : "bailed out: " + *report_.bail_out;
  if (report_.failed == 0) return {};
  const std::uint64_t unnamed = report_.failed - report_.first_failures.size();
  return fmt::format("{} of {} subtest{} failed: {}{}", report_.failed, report_.reported,
                     report_.reported == 1 ? "" : "s", fmt::join(report_.first_failures, ", "),
                     unnamed == 0 ? "" : fmt::format(" and {} more", unnamed));
}

std::string KtapParser::skip_reason(std::string otherwise) const {
  return report_.skip_reason.empty() ? otherwise : report_.skip_reason;
}

}  // namespace

std::unique_ptr<OutputParser> make_ktap_parser() {
  return std::make_unique<KtapParser>();
}

}  // namespace ffci
