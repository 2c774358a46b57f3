#include "store/merge_shards.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"
#include "model/attempt_facts.hpp"
#include "model/run.hpp"
#include "store/plan_digest.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

tl::unexpected<Error> refuse(const std::string& why) {
  return fail(ErrorKind::data, why);
}

const RunStarted& header_of(const ShardRun& shard) {
  return std::get<RunStarted>(shard.events.front().fact);
}

std::string prefix_of(int shard) {
  return fmt::format("shard{}-", shard);
}

std::string named(const ShardRun& shard) {
  const RunStarted& header = header_of(shard);
  return fmt::format("{} (run {}, shard {}/{})", shard.folder.string(), header.run_id,
                     header.shard->index, header.shard->count);
}

// The shards by their numbers: all of one plan and job, each once, none missing.
Result<std::vector<const ShardRun*>> in_order(const std::vector<ShardRun>& shards) {
  for (const ShardRun& shard : shards) {
    const RunStarted& header = header_of(shard);
    if (!header.shard)
      return refuse(fmt::format("{} (run {}) is no shard: it has all tests of its plan",
                                shard.folder.string(), header.run_id));
  }
  const RunStarted& first = header_of(shards.front());
  std::vector<const ShardRun*> ordered(static_cast<size_t>(first.shard->count));
  for (const ShardRun& shard : shards) {
    const RunStarted& header = header_of(shard);
    if (header.job != first.job || header.shard->count != first.shard->count ||
        header.shard->plan != first.shard->plan) {
      return refuse(fmt::format(
          "{} of job '{}' is of another plan than {} of job '{}': shards must select the same "
          "tests, and split them by the same durations",
          named(shard), header.job, named(shards.front()), first.job));
    }
    if (header.shard->index < 1 || header.shard->index > first.shard->count)
      return refuse(fmt::format("{}: there is no such shard", named(shard)));
    const ShardRun*& place = ordered[static_cast<size_t>(header.shard->index - 1)];
    if (place != nullptr)
      return refuse(fmt::format("shard {}/{} is there twice: {} and {}", header.shard->index,
                                header.shard->count, place->folder.string(),
                                shard.folder.string()));
    place = &shard;
  }
  std::string missing;
  for (size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i] == nullptr)
      missing += fmt::format("{}{}/{}", missing.empty() ? "" : ", ", i + 1, ordered.size());
  }
  if (!missing.empty()) return refuse(fmt::format("of the plan's shards are missing: {}", missing));
  return ordered;
}

// The selected tests of all shards, in the order of the plan, which they must be the whole of.
Result<std::vector<TestSelected>> whole_plan(const std::vector<const ShardRun*>& shards) {
  std::map<size_t, std::pair<TestSelected, int>> by_place;
  std::unordered_map<TestId, int> shard_of;
  const Shard& plan = *header_of(*shards.front()).shard;
  for (const ShardRun* shard : shards) {
    const int index = header_of(*shard).shard->index;
    for (const RunEvent& event : shard->events) {
      const auto* selected = std::get_if<TestSelected>(&event.fact);
      if (selected == nullptr) continue;
      const auto [known, is_new] = shard_of.try_emplace(selected->test, index);
      if (!is_new)
        return refuse(fmt::format("test {} is there twice, in shard {}/{} and in {}/{}",
                                  to_string(selected->test), known->second, plan.count, index,
                                  plan.count));
      by_place.insert_or_assign(selected->place, std::pair(*selected, index));
    }
  }
  std::vector<TestSelected> tests;
  std::vector<PlannedTest> planned;
  for (auto& [place, test] : by_place) {
    if (place != tests.size() + 1)
      return refuse(
          fmt::format("test number {} of the plan is in none of its shards", tests.size() + 1));
    planned.push_back({test.first.test, test.second});
    tests.push_back({test.first.test, test.first.expected});
  }
  if (plan_digest(planned, plan.count) != plan.plan)
    return refuse("the tests of the shards are not those of their plan: its digest is another one");
  return tests;
}

// An event of a shard, as the whole run has it.
struct Rewritten {
  const std::string& prefix;
  Duration later;

  void operator()(HostReady& f) const { rename(f.host); }
  void operator()(HostLostFact& f) const { rename(f.host); }
  void operator()(HostReplaced& f) const { rename(f.host); }
  void operator()(HostRetired& f) const { rename(f.host); }
  void operator()(SlotRetired& f) const { rename(f.host); }
  void operator()(SuiteSetUp& f) const { rename(f.host); }
  void operator()(SuiteTornDown& f) const { rename(f.host); }
  void operator()(AttemptStarted& f) const { rename(f.host); }
  void operator()(AttemptFinished& f) const {
    rename(f.result.host);
    f.result.started += later;
  }
  template <class Other>
  void operator()(Other&) const {}

  void rename(std::string& host) const {
    if (!host.empty()) host.insert(0, prefix);
  }
};

// What a shard did, without what is said once for the whole run. What was said of an end before the
// shard was resumed does not hold.
std::vector<RunEvent> what_happened(const ShardRun& shard) {
  size_t holds_from = 0;
  std::unordered_map<TestId, size_t> finished;  // the last time
  for (size_t i = 0; i < shard.events.size(); ++i) {
    if (std::holds_alternative<RunResumed>(shard.events[i].fact)) holds_from = i;
    if (const auto* test = std::get_if<TestFinished>(&shard.events[i].fact))
      finished[test->test] = i;
  }
  std::vector<RunEvent> happened;
  for (size_t i = 0; i < shard.events.size(); ++i) {
    const RunEvent& event = shard.events[i];
    const auto* test = std::get_if<TestFinished>(&event.fact);
    const bool of_an_earlier_end =
        (std::holds_alternative<RunStopping>(event.fact) && i < holds_from) ||
        (test != nullptr && finished.at(test->test) != i);
    if (!of_an_earlier_end && !std::holds_alternative<RunStarted>(event.fact) &&
        !std::holds_alternative<TestSelected>(event.fact) &&
        !std::holds_alternative<RunResumed>(event.fact) &&
        !std::holds_alternative<RunJudged>(event.fact) &&
        !std::holds_alternative<RunFinished>(event.fact))
      happened.push_back(event);
  }
  return happened;
}

// Nobody goes on with a shard that broke off once it is merged: the end that it has not.
void end_broken_off(const ShardRun& shard, std::vector<RunEvent>& happened) {
  if (std::holds_alternative<RunFinished>(shard.events.back().fact)) return;
  Run run;
  for (const RunEvent& event : shard.events)
    run.apply(event);
  const auto add = [&](decltype(RunEvent::fact) fact) {
    happened.push_back({0, run.duration(), std::move(fact)});
  };
  const Shard& which = *run.header().shard;
  const std::string why = fmt::format("shard {}/{} broke off", which.index, which.count);
  add(RunStopping{why});
  for (const TestResult& test : run.tests()) {
    for (const auto* attempts : {&test.attempts, &test.reruns}) {
      for (const Attempt& attempt : *attempts) {
        if (!attempt.outcome) add(AttemptFinished{test.id, broken_off(attempt, run.duration())});
      }
    }
    if (test.finished) continue;
    add(TestFinished{test.id, test.attempts.empty() ? std::optional(why) : std::nullopt});
  }
}

// The worst of the ends.
RunFinished joint_end(const std::vector<const ShardRun*>& shards) {
  using How = RunFinished::How;
  constexpr How worst_last[] = {How::completed, How::stopped_after_failures, How::deadline,
                                How::no_hosts,  How::results_unwritable,     How::interrupted};
  const auto badness = [&](How how) {
    return std::find(std::begin(worst_last), std::end(worst_last), how) - std::begin(worst_last);
  };
  RunFinished joint;
  for (const ShardRun* shard : shards) {
    const auto* end = std::get_if<RunFinished>(&shard->events.back().fact);
    if (end != nullptr && badness(end->how) > badness(joint.how)) joint = *end;
  }
  return joint;
}

// A link must be to what is never written again: a shard may yet be resumed.
enum class Take { link, copy };

Result<void> take_tree(const fs::path& from, const fs::path& to, Take how) {
  std::error_code error;
  const auto failed = [&] {
    return fail(ErrorKind::io, fmt::format("cannot take {} into {}: {}", from.string(), to.string(),
                                           error.message()));
  };
  const fs::file_status status = fs::symlink_status(from, error);
  if (fs::is_regular_file(status)) {
    if (how == Take::link) fs::create_hard_link(from, to, error);
    if (how == Take::copy || (error && error != std::errc::file_exists))
      fs::copy_file(from, to, error);
    return error ? Result<void>(failed()) : Result<void>();
  }
  if (!fs::is_directory(status)) return {};
  fs::create_directories(to, error);
  if (error) return failed();
  for (fs::directory_iterator entry(from, error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto taken = take_tree(entry->path(), to / entry->path().filename(), how); !taken)
      return taken;
  }
  return error ? Result<void>(failed()) : Result<void>();
}

// The folders in `from`, each with `prefix` before its name.
Result<void> take_folders(const fs::path& from, const std::string& prefix, const fs::path& to) {
  std::error_code ignored;
  if (!fs::is_directory(fs::symlink_status(from, ignored))) return {};
  for (const fs::directory_entry& entry : fs::directory_iterator(from, ignored)) {
    if (!entry.is_directory(ignored) || entry.is_symlink(ignored)) continue;
    std::error_code error;
    fs::create_directories(to, error);
    const auto taken =
        take_tree(entry.path(), to / (prefix + entry.path().filename().string()), Take::copy);
    if (!taken) return taken;
  }
  return {};
}

}  // namespace

Result<std::vector<RunEvent>> merge_shards(const std::vector<ShardRun>& shards,
                                           const RunStarted& header) {
  const auto ordered = in_order(shards);
  if (!ordered) return tl::unexpected(ordered.error());
  const auto tests = whole_plan(*ordered);
  if (!tests) return tl::unexpected(tests.error());

  RunStarted whole = header_of(*ordered->front());
  whole.run_id = header.run_id, whole.tool_version = header.tool_version;
  whole.results_path = header.results_path;
  whole.shard.reset();
  for (const ShardRun* shard : *ordered) {
    whole.at = std::min(whole.at, header_of(*shard).at);
    whole.merged.push_back(header_of(*shard).run_id);
    whole.gated |= header_of(*shard).gated;
    if (!whole.baseline) whole.baseline = header_of(*shard).baseline;
  }

  std::vector<RunEvent> happened;
  for (const ShardRun* shard : *ordered) {
    const RunStarted& began = header_of(*shard);
    const std::string prefix = prefix_of(began.shard->index);
    const Duration later = began.at - whole.at;
    std::vector<RunEvent> of_shard = what_happened(*shard);
    end_broken_off(*shard, of_shard);
    for (RunEvent& event : of_shard) {
      event.time += later;
      std::visit(Rewritten{prefix, later}, event.fact);
      happened.push_back(std::move(event));
    }
  }
  std::stable_sort(happened.begin(), happened.end(),
                   [](const RunEvent& a, const RunEvent& b) { return a.time < b.time; });

  std::vector<RunEvent> events{{0, {}, std::move(whole)}};
  for (const TestSelected& test : *tests)
    events.push_back({0, {}, test});
  std::move(happened.begin(), happened.end(), std::back_inserter(events));
  events.push_back({0, events.back().time, joint_end(*ordered)});
  for (size_t i = 0; i < events.size(); ++i)
    events[i].sequence = i + 1;
  return events;
}

Result<void> link_files_of_shard(const fs::path& from, int shard, const fs::path& to) {
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(from / "tests", error))) {
    if (const auto taken = take_tree(from / "tests", to / "tests", Take::link); !taken)
      return taken;
  }
  const std::string prefix = prefix_of(shard);
  if (const auto taken = take_folders(from / "hosts", prefix, to / "hosts"); !taken) return taken;
  if (!fs::is_directory(fs::symlink_status(from / "suites", error))) return {};
  for (fs::directory_iterator suite(from / "suites", error), end; !error && suite != end;
       suite.increment(error)) {
    const auto taken =
        take_folders(suite->path(), prefix, to / "suites" / suite->path().filename());
    if (!taken) return taken;
  }
  if (error)
    return fail(ErrorKind::io, fmt::format("cannot read {}: {}", from.string(), error.message()));
  return {};
}

}  // namespace ffci
