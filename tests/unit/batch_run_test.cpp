// BatchRun: what one batch of tests says becomes facts about each of them.
#include "cli/batch_run.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "suites/fstests_output.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

class StandInSuite final : public Suite {
 public:
  [[nodiscard]] const SuitePlan& plan() const override { return plan_; }
  [[nodiscard]] std::vector<TestCase> tests() const override { return {}; }
  [[nodiscard]] Command scope() const override { return {}; }
  [[nodiscard]] Command command_for(std::span<const TestId>) const override { return {}; }
  [[nodiscard]] std::unique_ptr<OutputParser> make_parser(
      std::span<const TestId> batch) const override {
    return make_fstests_parser(batch, "");
  }
  [[nodiscard]] bool judges_kernel_log() const override { return true; }

 private:
  SuitePlan plan_;
};

// A batch of generic/001, 002 and 003 on a host for one.
struct Batch {
  explicit Batch(bool alone = true) {
    action::StartBatch start;
    for (const char* name : {"generic/001", "generic/002", "generic/003"})
      start.tests.push_back({"fs", "", name});
    start.attempts = {1, 1, 1};
    BatchRunSetting setting;
    folder = std::filesystem::temp_directory_path() / "ffci-batch-XXXXXX";
    std::string name = folder;
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    setting.run_folder = folder = name;
    setting.allowed = &allowed;
    setting.alone_on_host = alone;
    setting.now = [] { return 1s; };
    setting.tell = [this](const Input& input) { hear(input); };
    run = std::make_shared<BatchRun>(std::move(setting), suite, start);
    run->begin();
  }
  ~Batch() { std::filesystem::remove_all(folder); }

  void hear(const Input& input) {
    if (const auto* began = std::get_if<input::BeginTest>(&input))
      heard.push_back(fmt::format("{} begins", began->test + 1));
    if (const auto* ended = std::get_if<input::EndTest>(&input))
      heard.push_back(fmt::format("{} {}", ended->test + 1, name_of(*ended->result.outcome)));
  }
  static std::string name_of(const Outcome& outcome) {
    if (std::holds_alternative<Passed>(outcome)) return "passed";
    if (std::holds_alternative<Crashed>(outcome)) return "crashed";
    if (std::holds_alternative<HostLost>(outcome)) return "lost its host";
    return "?";
  }

  void out(std::string_view text) { run->on_output(Stream::standard_output, text); }
  void log(std::string_view line) {
    run->on_output(Stream::kernel_log, fmt::format("[    1.000000] {}\n", line));
  }
  void panic() {
    log("Kernel panic - not syncing: sysrq triggered crash");
    log("---[ end Kernel panic - not syncing: sysrq triggered crash ]---");
  }

  StandInSuite suite;
  std::vector<KernelLogAllowance> allowed;
  std::filesystem::path folder;
  std::vector<std::string> heard;
  std::shared_ptr<BatchRun> run;
};

using Heard = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "a kernel that dies is charged to the test that its log names, though its output is lost") {
  Batch batch;
  batch.out("generic/001 ");
  batch.log("run fstests generic/001 at 2026-01-02 03:04:05");
  batch.log("run fstests generic/002 at 2026-01-02 03:04:06");
  batch.panic();
  batch.run->lose_host("its kernel died");
  CHECK(batch.heard == Heard{"1 begins", "1 lost its host", "2 begins", "2 crashed"});
}

TEST_CASE("what the log says ahead of the output belongs to the next test") {
  Batch batch;
  batch.out("generic/001 ");
  batch.log("run fstests generic/002 at 2026-01-02 03:04:06");
  batch.panic();
  batch.out(" 1s\ngeneric/002 ");
  batch.run->lose_host("its kernel died");
  CHECK(batch.heard == Heard{"1 begins", "1 passed", "2 begins", "2 crashed"});
}

TEST_CASE("a log that names the running test, an ended one or none changes nothing") {
  Batch batch;
  batch.out("generic/001  1s\ngeneric/002 ");
  for (const char* name : {"generic/001", "generic/002", "xfs/001", "generic/002-x"})
    batch.log(fmt::format("run fstests {} at 2026-01-02 03:04:06", name));
  batch.panic();
  batch.run->lose_host("its kernel died");
  CHECK(batch.heard == Heard{"1 begins", "1 passed", "2 begins", "2 crashed"});
}

TEST_CASE("on a host for several batches, a log says nothing of this one") {
  Batch batch(false);
  batch.out("generic/001 ");
  batch.log("run fstests generic/002 at 2026-01-02 03:04:06");
  batch.panic();
  batch.run->lose_host("its kernel died");
  CHECK(batch.heard == Heard{"1 begins", "1 crashed"});
}

}  // namespace ffci
