#include "suites/ktap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ffci {
namespace {

constexpr std::size_t deepest_nesting = 8;

}  // namespace

void KtapReader::read(std::string_view line) {
  ktap::Line read = ktap::read_line(line);
  std::visit([&](auto& content) { take(std::max(read.column, levels_.front().column), content); },
             read.content);
}

KtapReport KtapReader::finish() {
  close_orphans_above(0);
  end_document();
  if (broken_) report_.plan_mismatch = {*broken_->planned, broken_->reported};
  const Level& outermost = levels_.front();
  report_.reported = outermost.reported;
  report_.failed = outermost.failed;
  report_.skipped = outermost.skipped;
  report_.skip_reason = outermost.skip_reason.empty() ? last_skip_reason_ : outermost.skip_reason;
  return std::move(report_);
}

void KtapReader::take(std::size_t column, const ktap::Version&) {
  // Something may indent all of the output.
  if (!announced_tap_ && levels_.front().reported == 0) levels_.front().column = column;
  announced_tap_ = true;
  if (open_level(column) == &levels_.front()) end_document();
}

void KtapReader::take(std::size_t column, const ktap::Plan& plan) {
  announced_tap_ = true;
  Level* level = open_level(column);
  if (level == nullptr) return;
  if (plan.count == 0) level->skip_reason = plan.skip_reason;
  if (level != &levels_.front()) return;
  if (document_.planned) end_document();
  document_.planned = plan.count;
  report_.planned_none |= plan.count == 0;
}

// KUnit has the line inside of the level that it names, TAP 14 in front of it.
void KtapReader::take(std::size_t column, const ktap::SubtestHeader& header) {
  Level* level = open_level(column);
  if (level == nullptr) return;
  const bool inside = level != &levels_.front() && level->name.empty() && level->reported == 0;
  (inside ? level->name : announced_name_) = header.name;
}

void KtapReader::take(std::size_t column, const ktap::BailOut& bail_out) {
  // Bailing out of a nested test is its parent's failure.
  if (column == levels_.front().column && !report_.bail_out) report_.bail_out = bail_out.reason;
}

void KtapReader::take(std::size_t column, const ktap::Totals& totals) {
  constexpr std::size_t behind_hash = 2;
  if (column == levels_.front().column + behind_hash) document_.totals = totals.count;
}

void KtapReader::take(std::size_t column, ktap::Result& result) {
  Level* level = level_of_result(column);
  if (level == nullptr) return;
  // "ok" is a common word: without a number it is a result only where TAP was announced and has no
  // numbers.
  if (!result.number && (!announced_tap_ || level->numbered)) return;
  level->numbered |= result.number.has_value();
  level->last_number = result.number.value_or(level->last_number + 1);

  Subtest& subtest = result.subtest;
  if (subtest.name.empty()) subtest.name = fmt::format("#{}", level->last_number);
  if (level == &levels_.front()) count_in_document(result, level->last_number);

  const auto depth = static_cast<std::size_t>(level - levels_.data());
  close_orphans_above(depth + 1);
  const Level children = levels_.size() > depth + 1 ? adopt_children(subtest) : Level();
  const bool failed = subtest.status == Subtest::Status::failed;
  const bool skipped = subtest.status == Subtest::Status::skipped;
  if (skipped && !subtest.reason.empty()) last_skip_reason_ = subtest.reason;
  const bool counts = children.reported == 0 || (failed && children.failed == 0);
  level->reported += children.reported + (counts ? 1 : 0);
  level->failed += children.failed + (counts && failed ? 1 : 0);
  level->skipped += children.skipped + (counts && skipped ? 1 : 0);
  if (counts && failed && report_.first_failures.size() < most_failures_named)
    report_.first_failures.push_back(subtest.name);
  if (report_.subtests.size() < most_subtests) {
    report_.subtests.push_back(std::move(subtest));
  } else {
    ++report_.subtests_dropped;
  }
}

// Closes the deepest level, whose parent has reported now. What is expected of the parent is
// expected of its children.
KtapReader::Level KtapReader::adopt_children(Subtest& parent) {
  Level children = close_level(parent.name);
  if (parent.status == Subtest::Status::skipped ||
      parent.status == Subtest::Status::expected_failure) {
    children.failed = 0;
    report_.first_failures.resize(std::min(report_.first_failures.size(), children.first_failure));
    if (parent.reason.empty()) parent.reason = children.skip_reason;
  }
  return children;
}

// The open level whose column it is. nullptr: no such level was announced, so the line is only talk
// that looks like a result.
KtapReader::Level* KtapReader::level_of_result(std::size_t column) {
  if (column > levels_.back().column && !announced_name_.empty()) return open_level(column);
  const auto level = std::find_if(levels_.begin(), levels_.end(),
                                  [&](const Level& l) { return l.column == column; });
  return level == levels_.end() ? nullptr : &*level;
}

// The level of that column, opened when it is not. nullptr: nested too deep.
KtapReader::Level* KtapReader::open_level(std::size_t column) {
  while (levels_.size() > 1 && levels_.back().column > column)
    close_orphans_above(levels_.size() - 2);
  if (column > levels_.back().column) {
    if (levels_.size() > deepest_nesting) return nullptr;
    Level level;
    level.column = column;
    level.first_subtest = report_.subtests.size();
    level.first_failure = report_.first_failures.size();
    level.name = std::exchange(announced_name_, {});
    levels_.push_back(std::move(level));
  }
  return &levels_.back();
}

KtapReader::Level KtapReader::close_level(std::string_view parent_name) {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  if (parent_name.empty()) return level;
  const std::string prefix = fmt::format("{}.", parent_name);
  for (std::size_t i = level.first_subtest; i < report_.subtests.size(); ++i)
    report_.subtests[i].name.insert(0, prefix);
  for (std::size_t i = level.first_failure; i < report_.first_failures.size(); ++i)
    report_.first_failures[i].insert(0, prefix);
  return level;
}

// Closes the levels deeper than `depth`, whose parents gave no result.
void KtapReader::close_orphans_above(std::size_t depth) {
  while (levels_.size() > depth + 1) {
    const std::string name = levels_.back().name;
    const Level orphans = close_level(name);
    levels_.back().reported += orphans.reported;
    levels_.back().failed += orphans.failed;
    levels_.back().skipped += orphans.skipped;
  }
}

void KtapReader::count_in_document(const ktap::Result& result, std::uint64_t number) {
  if (document_.reported++ == 0) document_.first_result = result.subtest.name;
  document_.highest_number = std::max(document_.highest_number, number);
}

// A child forked with text in its stdio buffer writes that text again, before or after its parent
// does: pidfd_test and the timens tests print their beginnings twice when stdout is a pipe.
bool KtapReader::is_beginning(const Document& part, const Document& whole) {
  return part.planned == whole.planned &&
         (part.reported == 0 || part.first_result == whole.first_result);
}

void KtapReader::end_document() {
  Document ended = std::exchange(document_, {});
  levels_.front().last_number = 0;
  levels_.front().numbered = false;
  if (!ended.planned) return;
  // Repeated lines repeat their numbers, so only a number can be too high. kcmp_test plans, counts,
  // and prints no result.
  const bool fits = std::max(ended.reported, ended.totals) >= *ended.planned &&
                    ended.highest_number <= *ended.planned;
  if (fits) {
    if (broken_ && is_beginning(*broken_, ended)) broken_.reset();
    whole_ = std::move(ended);
  } else if (!broken_ && !(whole_ && is_beginning(ended, *whole_))) {
    broken_ = std::move(ended);
  }
}

}  // namespace ffci
