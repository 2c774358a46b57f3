#include "cli/attempt_run.hpp"

#include "kernel_log/splat_outcome.hpp"

namespace ffci {
namespace {

constexpr std::size_t most_files = 1000;  // of an attempt: they are one line of the journal

// What the kernel said may be worse than what the test noticed: a crash explains everything, also
// a timeout; anything else beats only what would otherwise count as good.
bool kernel_decides(const Outcome& from_kernel, const Outcome& outcome) {
  return std::holds_alternative<Crashed>(from_kernel) || std::holds_alternative<Passed>(outcome) ||
         std::holds_alternative<Skipped>(outcome);
}

}  // namespace

AttemptRun::AttemptRun(AttemptRunSetting setting, std::unique_ptr<OutputParser> parser,
                       AttemptFiles files)
    : setting_(std::move(setting)), parser_(std::move(parser)), files_(std::move(files)) {}

void AttemptRun::begin() {
  parser_->on_begin(setting_.now(), facts_);
  tell_facts();
}

void AttemptRun::on_output(Stream stream, std::string_view bytes) {
  check(files_.append(stream, bytes));
  has_archive_ |= stream == Stream::archive;
  if (stream == Stream::kernel_log) splats_.feed(bytes.substr(0, bytes.find_last_not_of('\n') + 1));
  if (stream != Stream::standard_output && stream != Stream::standard_error) return;
  parser_->on_output(stream, bytes, setting_.now(), facts_);
  tell_facts();
}

void AttemptRun::on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) {
  parser_->on_end(end, setting_.now(), facts_);
  end_ = end;
  slot_unusable_ = slot_unusable;
  if (has_archive_) {
    unpack();
  } else {
    tell_end();
  }
}

void AttemptRun::unpack() {
  const std::filesystem::path folder = setting_.run_folder / setting_.folder;
  auto result = std::make_shared<Result<Unpacked>>();
  setting_.in_background(
      [folder, result, limit = setting_.files_limit] {
        *result = unpack_files(folder / "files.tar", folder / "files", {limit, most_files});
        std::error_code ignored;
        std::filesystem::remove(folder / "files.tar", ignored);
      },
      [self = shared_from_this(), result] {
        if (*result) {
          self->unpacked_ = std::move(**result);
        } else {
          self->check(tl::unexpected(result->error()));
        }
        self->tell_end();
      });
}

void AttemptRun::tell_end() {
  tell_facts();
  setting_.tell(input::EndBatch{setting_.batch, slot_unusable_});
}

void AttemptRun::tell_facts() {
  for (TestFact& fact : std::exchange(facts_, {})) {
    if (const auto* began = std::get_if<TestBegan>(&fact)) {
      began_ = began->at;
      running_ = began->test;
      splats_ = SplatFinder();
      setting_.tell(input::BeginTest{setting_.batch, began->test, setting_.folder});
    } else {
      auto& ended = std::get<TestEnded>(fact);
      const std::size_t test = ended.test;
      setting_.tell(input::EndTest{setting_.batch, test, result_of(std::move(ended))});
    }
  }
}

void AttemptRun::lose_host(const std::string& why) {
  // Its end may be known, and only what goes with it be missing.
  if (running_ && facts_.empty() && end_) {
    parser_->on_end(*end_, setting_.now(), facts_);
  } else if (running_ && facts_.empty()) {
    TestEnded ended;
    ended.test = *running_;
    ended.at = setting_.now();
    ended.outcome = HostLost{why};
    facts_.emplace_back(std::move(ended));
  }
  tell_facts();
  setting_.tell = [](const Input&) {};
}

Attempt AttemptRun::result_of(TestEnded ended) {
  running_.reset();
  Attempt result;
  result.outcome = std::move(ended.outcome);
  result.subtests = std::move(ended.subtests);
  result.subtests_dropped = ended.subtests_dropped;
  result.teardown_problem = std::move(ended.teardown_problem);
  result.files = setting_.folder;
  result.kept_files = std::move(unpacked_.files);
  if (end_) result.files_problem = end_->files_problem;
  if (!unpacked_.problem.empty())
    result.files_problem += (result.files_problem.empty() ? "" : "; ") + unpacked_.problem;
  // The host has measured the command itself, without set-up and teardown.
  result.duration = end_ && end_->command ? end_->duration : ended.at - began_;
  add_kernel_reports(result);
  check(files_.close(result));
  return result;
}

void AttemptRun::add_kernel_reports(Attempt& result) {
  const std::vector<FoundSplat> found = splats_.splats();
  result.kernel_reports = kernel_reports(found, *setting_.allowed);
  auto from_kernel = outcome_from_kernel(found, *setting_.allowed);
  if (from_kernel && kernel_decides(*from_kernel, *result.outcome))
    result.outcome = std::move(from_kernel);
}

void AttemptRun::check(const Result<void>& written) {
  if (written || abandoned_) return;
  abandoned_ = true;
  setting_.tell(input::Abandon{written.error().message});
}

}  // namespace ffci
