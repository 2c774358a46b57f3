#include "cli/batch_run.hpp"

#include <filesystem>

#include "kernel_log/splat_outcome.hpp"
#include "store/results_tree.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_files = 1000;  // of a test: they are one line of the journal
constexpr std::size_t longest_preamble = 8 << 10;
constexpr std::size_t most_held_lines = 10'000;

// What the kernel said may be worse than what the test noticed: a crash explains everything, also
// a timeout; anything else beats only what would otherwise count as good.
bool kernel_decides(const Outcome& from_kernel, const Outcome& outcome) {
  return std::holds_alternative<Crashed>(from_kernel) || std::holds_alternative<Passed>(outcome) ||
         std::holds_alternative<Skipped>(outcome);
}

std::size_t offset_of(const TestFact& fact) {
  return std::visit([](const auto& what) { return what.offset; }, fact);
}

std::vector<std::string> folders_of(const action::StartBatch& start) {
  std::vector<std::string> folders;
  for (std::size_t test = 0; test < start.tests.size(); ++test)
    folders.push_back(attempt_folder(start.tests[test], start.attempts[test], start.purpose));
  return folders;
}

}  // namespace

BatchRun::BatchRun(BatchRunSetting setting, const Suite& suite, const action::StartBatch& start)
    : setting_(std::move(setting)),
      suite_(suite),
      batch_(start.batch),
      tests_(start.tests),
      folders_(folders_of(start)),
      parser_(suite.make_parser(start.tests)),
      archive_(setting_.run_folder / folders_.front() / "files.tar",
               archive_limit(setting_.files_limit)),
      ended_(tests_.size()),
      files_told_(tests_.size()) {
  returned_.files.resize(tests_.size());
}

void BatchRun::begin() {
  parser_->on_begin(setting_.now(), facts_);
  tell_facts(Stream::standard_output, {});
}

void BatchRun::on_output(Stream stream, std::string_view bytes) {
  if (stream == Stream::archive) {
    if (!has_archive_) {
      std::error_code ignored;  // of which writing will tell
      fs::create_directories(setting_.run_folder / folders_.front(), ignored);
    }
    has_archive_ = true;
    return check(archive_.append(bytes));
  }
  if (stream == Stream::kernel_log || stream == Stream::user_log) return on_log_line(stream, bytes);
  if (stream != Stream::standard_output && stream != Stream::standard_error)
    return keep_output(stream, bytes);
  parser_->on_output(stream, bytes, setting_.now(), facts_);
  if (stream == Stream::standard_output) return on_standard_output(bytes);
  tell_facts(stream, bytes);
}

void BatchRun::on_log_line(Stream stream, std::string_view line) {
  if (!announced_ && setting_.alone_on_host) announced_ = parser_->begins_in_log(line);
  if (announced_) {
    if (held_log_.size() < most_held_lines) held_log_.emplace_back(stream, line);
    return;
  }
  if (stream == Stream::kernel_log && running_)
    splats_.feed(line.substr(0, line.find_last_not_of('\n') + 1));
  keep_output(stream, line);
}

void BatchRun::release_log() {
  announced_.reset();
  for (const auto& [stream, line] : std::exchange(held_log_, {}))
    on_log_line(stream, line);
}

// What is undecided waits for what comes behind it.
void BatchRun::on_standard_output(std::string_view bytes) {
  std::string all;
  if (!held_.empty()) {
    // A fact at the beginning of these bytes is of a line that began in those that were held.
    for (TestFact& fact : facts_)
      std::visit([this](auto& what) { what.offset += what.offset == 0 ? 0 : held_.size(); }, fact);
    all = std::exchange(held_, {}).append(bytes);
    bytes = all;
  }
  const std::size_t certain = bytes.size() - std::min(bytes.size(), parser_->undecided());
  held_ = bytes.substr(certain);
  tell_facts(Stream::standard_output, bytes.substr(0, certain));
}

void BatchRun::keep_output(Stream stream, std::string_view bytes) {
  if (files_) return check(files_->append(stream, bytes));
  const bool is_output = stream == Stream::standard_output || stream == Stream::standard_error;
  if (is_output && !any_began_)
    preamble_ += bytes.substr(0, longest_preamble - std::min(longest_preamble, preamble_.size()));
}

// Each fact says where in the bytes it stands: what is before belongs to what was until then.
void BatchRun::tell_facts(Stream stream, std::string_view bytes) {
  std::size_t kept = 0;
  for (TestFact& fact : std::exchange(facts_, {})) {
    const std::size_t until = std::clamp(offset_of(fact), kept, bytes.size());
    if (until > kept) keep_output(stream, bytes.substr(kept, until - kept));
    kept = until;
    if (const auto* began = std::get_if<TestBegan>(&fact)) {
      tell(*began);
    } else {
      tell(std::move(std::get<TestEnded>(fact)));
    }
  }
  if (kept < bytes.size()) keep_output(stream, bytes.substr(kept));
}

void BatchRun::tell(const TestBegan& began) {
  began_ = began.at;
  running_ = began.test;
  splats_ = SplatFinder();
  any_began_ = true;
  auto files =
      AttemptFiles::create(setting_.run_folder / folders_[began.test], setting_.output_limit);
  if (files) {
    files_.emplace(std::move(*files));
    if (!preamble_.empty()) check(files_->append(Stream::standard_output, preamble_));
  } else {
    check(tl::unexpected(files.error()));
  }
  release_log();
  setting_.tell(input::BeginTest{batch_, began.test, folders_[began.test]});
}

void BatchRun::tell(TestEnded ended) {
  input::EndTest told{batch_, ended.test, {}, ended.spoils_batch, ended.shared_blame};
  ended_[ended.test] = true;
  told.result = result_of(std::move(ended));
  setting_.tell(std::move(told));
}

void BatchRun::on_end(const CommandEnd& end, const std::optional<std::string>& slot_unusable) {
  end_ = end;
  slot_unusable_ = slot_unusable;
  keep_output(Stream::standard_output, std::exchange(held_, {}));
  release_log();
  parser_->on_end(end, setting_.now(), facts_);
  // Of several tests the results are known before their files.
  if (tests_.size() > 1) tell_facts(Stream::standard_output, {});
  if (has_archive_) {
    unpack();
  } else {
    tell_end();
  }
}

void BatchRun::unpack() {
  archive_.close();
  auto result = std::make_shared<Result<Returned>>();
  setting_.in_background(
      [result, run_folder = setting_.run_folder, folders = folders_, tests = tests_, ended = ended_,
       suite = &suite_, limit = setting_.files_limit] {
        *result = unpack_to_tests(run_folder, folders, tests, ended, *suite, limit);
      },
      [self = shared_from_this(), result] {
        if (*result) {
          self->returned_ = std::move(**result);
        } else {
          self->check(tl::unexpected(result->error()));
        }
        self->tell_end();
      });
}

// In the background: it shares nothing with the loop.
Result<BatchRun::Returned> BatchRun::unpack_to_tests(const fs::path& run_folder,
                                                     const std::vector<std::string>& folders,
                                                     const std::vector<TestId>& tests,
                                                     const std::vector<bool>& ended,
                                                     const Suite& suite, std::uint64_t limit) {
  const fs::path first = run_folder / folders.front();
  const bool alone = tests.size() == 1;
  const fs::path place = first / (alone ? "files" : "files-of-batch");
  auto unpacked = unpack_files(first / "files.tar", place, {limit, most_files * tests.size()});
  std::error_code ignored;
  fs::remove(first / "files.tar", ignored);
  if (!unpacked) return tl::unexpected(unpacked.error());
  Returned returned;
  returned.files.resize(tests.size());
  returned.problem = std::move(unpacked->problem);
  if (alone) {
    returned.files.front() = std::move(unpacked->files);
    return returned;
  }
  for (std::size_t test = 0; test < tests.size(); ++test) {
    // One that did not run goes into another batch, and has nothing in this one.
    if (!ended[test]) continue;
    for (const std::string& file : unpacked->files) {
      if (!suite.is_file_of(tests[test], file)) continue;
      const fs::path to = run_folder / folders[test] / "files" / file;
      std::error_code error;
      fs::create_directories(to.parent_path(), error);
      fs::create_hard_link(place / file, to, error);
      if (error) fs::copy_file(place / file, to, error);
      if (error) {
        returned.problem = "cannot write " + to.string() + ": " + error.message();
      } else {
        returned.files[test].push_back(file);
      }
    }
  }
  fs::remove_all(place, ignored);
  return returned;
}

void BatchRun::tell_end() {
  tell_facts(Stream::standard_output, {});
  const std::string problem = files_problem();
  for (std::size_t test = 0; test < tests_.size(); ++test) {
    if (!ended_[test] || files_told_[test]) continue;
    if (returned_.files[test].empty() && problem.empty()) continue;
    setting_.tell(input::KeepFiles{batch_, test, std::move(returned_.files[test]), problem});
  }
  setting_.tell(input::EndBatch{batch_, slot_unusable_});
}

void BatchRun::lose_host(const std::string& why) {
  // Its end may be known, and only what goes with it be missing.
  if (end_ && facts_.empty() && running_) parser_->on_end(*end_, setting_.now(), facts_);
  if (!end_) parser_->on_lost(facts_);
  tell_facts(Stream::standard_output, {});
  if (running_) tell_lost(*running_, why);
  // What said that it had begun may have been the last that came.
  if (const std::optional<std::size_t> test = announced_) {
    tell(TestBegan{*test, setting_.now(), 0});
    tell_lost(*test, why);
  }
  setting_.tell = [](const Input&) {};
}

void BatchRun::tell_lost(std::size_t test, const std::string& why) {
  TestEnded ended;
  ended.test = test;
  ended.at = setting_.now();
  ended.outcome = HostLost{why};
  tell(std::move(ended));
}

Attempt BatchRun::result_of(TestEnded ended) {
  running_.reset();
  Attempt result;
  result.outcome = std::move(ended.outcome);
  result.subtests = std::move(ended.subtests);
  result.subtests_dropped = ended.subtests_dropped;
  result.teardown_problem = std::move(ended.teardown_problem);
  result.files = folders_[ended.test];
  if (end_ && tests_.size() == 1) {
    result.kept_files = std::move(returned_.files[ended.test]);
    result.files_problem = files_problem();
    files_told_[ended.test] = true;
  }
  result.duration = ended.duration.value_or(ended.at - began_);
  add_kernel_reports(result);
  if (files_) check(files_->close(result));
  files_.reset();
  return result;
}

void BatchRun::add_kernel_reports(Attempt& result) {
  std::vector<FoundSplat> found = splats_.splats();
  if (suite_.judges_kernel_log())
    std::erase_if(
        found, [](const FoundSplat& splat) { return splat.splat_class == SplatClass::corruption; });
  result.kernel_reports = kernel_reports(found, *setting_.allowed);
  auto from_kernel = outcome_from_kernel(found, *setting_.allowed);
  if (!from_kernel ||
      (suite_.judges_kernel_log() && !std::holds_alternative<Crashed>(*from_kernel)))
    return;
  if (kernel_decides(*from_kernel, *result.outcome)) result.outcome = std::move(from_kernel);
}

std::string BatchRun::files_problem() const {
  std::string all;
  for (const std::string& problem :
       {end_ ? end_->files_problem : std::string(), returned_.problem, archive_.problem()}) {
    if (!problem.empty()) all += (all.empty() ? "" : "; ") + problem;
  }
  return all;
}

void BatchRun::check(const Result<void>& written) {
  if (written || abandoned_) return;
  abandoned_ = true;
  setting_.tell(input::Abandon{written.error().message});
}

}  // namespace ffci
