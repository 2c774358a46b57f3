#include "suites/protocol.hpp"
#include "suites/single_test_parser.hpp"

namespace ffci {
namespace {

class ExitCodeParser final : public SingleTestParser {
 private:
  [[nodiscard]] Outcome judge(ExitStatus status) const override {
    if (status.success()) return Passed{};
    if (status == ExitStatus{ExitStatus::Kind::exited, skip_exit_code}) {
      const std::string reason = last_line(Stream::standard_output);
      return Skipped{reason.empty() ? describe(status) : reason};
    }
    return Failed{describe_with_last_line(status), status};
  }
};

}  // namespace

std::unique_ptr<OutputParser> make_exit_code_parser() {
  return std::make_unique<ExitCodeParser>();
}

std::unique_ptr<OutputParser> make_protocol_parser(Protocol protocol) {
  return protocol == Protocol::ktap ? make_ktap_parser() : make_exit_code_parser();
}

}  // namespace ffci
