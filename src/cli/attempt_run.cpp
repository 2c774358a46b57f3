#include "cli/attempt_run.hpp"

namespace ffci {

AttemptRun::AttemptRun(BatchNumber batch, std::unique_ptr<OutputParser> parser, AttemptFiles files,
                       std::string folder, std::function<Duration()> now, Tell tell)
    : batch_(batch),
      parser_(std::move(parser)),
      files_(std::move(files)),
      folder_(std::move(folder)),
      now_(std::move(now)),
      tell_(std::move(tell)) {}

void AttemptRun::begin() {
  parser_->on_begin(now_(), facts_);
  tell_facts(nullptr);
}

void AttemptRun::on_output(Stream stream, std::string_view bytes) {
  check(files_.append(stream, bytes));
  parser_->on_output(stream, bytes, now_(), facts_);
  tell_facts(nullptr);
}

void AttemptRun::on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) {
  parser_->on_end(end, now_(), facts_);
  tell_facts(&end);
  tell_(input::EndBatch{batch_, slot_unusable});
}

void AttemptRun::tell_facts(const CommandEnd* end) {
  for (TestFact& fact : facts_) {
    if (const auto* began = std::get_if<TestBegan>(&fact)) {
      began_ = began->at;
      tell_(input::BeginTest{batch_, began->test, folder_});
      continue;
    }
    auto& ended = std::get<TestEnded>(fact);
    Attempt result;
    result.outcome = std::move(ended.outcome);
    result.subtests = std::move(ended.subtests);
    result.subtests_dropped = ended.subtests_dropped;
    result.teardown_problem = std::move(ended.teardown_problem);
    result.files = folder_;
    // The host has measured the command itself, without set-up and teardown.
    result.duration = end != nullptr && end->command ? end->duration : ended.at - began_;
    check(files_.close(result));
    tell_(input::EndTest{batch_, ended.test, std::move(result)});
  }
  facts_.clear();
}

void AttemptRun::check(const Result<void>& written) {
  if (written || abandoned_) return;
  abandoned_ = true;
  tell_(input::Abandon{written.error().message});
}

}  // namespace ffci
