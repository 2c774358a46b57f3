// FactsWitness: what every parser of a batch owes to those who hear its facts, whatever it was fed.
// It only looks; unit test and fuzzer both ask it.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "suites/suite.hpp"

namespace ffci::test {

class FactsWitness {
 public:
  explicit FactsWitness(std::size_t tests) : began_(tests), ended_(tests) {}

  // The facts of one call that was given so many bytes at that time.
  void hear(std::span<const TestFact> facts, std::size_t bytes, Duration now) {
    std::size_t offset = 0;
    for (const TestFact& fact : facts) {
      const std::size_t here = std::visit([](const auto& it) { return it.offset; }, fact);
      if (here < offset || here > bytes) return complain("offset {} of {} bytes", here, bytes);
      offset = here;
      if (const auto* began = std::get_if<TestBegan>(&fact)) {
        hear(*began, now);
      } else {
        hear(std::get<TestEnded>(fact), now);
      }
    }
  }
  [[nodiscard]] bool running() const { return running_.has_value(); }
  // What was broken first; empty: nothing.
  [[nodiscard]] const std::string& broken() const { return broken_; }

 private:
  void hear(const TestBegan& began, Duration now) {
    if (began.test >= began_.size()) return complain("test {} began", began.test);
    if (running_) return complain("{} began while {} ran", began.test, *running_);
    if (began_[began.test]) return complain("{} began again", began.test);
    if (began.at != now) complain("{} began at {}", began.test, began.at.count());
    began_[began.test] = began.at;
    running_ = began.test;
  }
  void hear(const TestEnded& ended, Duration now) {
    if (running_ != ended.test) return complain("{} ended, which did not run", ended.test);
    if (ended_[ended.test]) return complain("{} ended again", ended.test);
    const Duration began = *began_[ended.test];
    if (ended.at < began || ended.at > now)
      complain("{} ended at {}", ended.test, ended.at.count());
    if (ended.duration != ended.at - began) complain("{} has another duration", ended.test);
    const std::string reason = reason_of(ended.outcome);
    if (printable_line(reason, reason.size() + 1) != reason || reason.size() > 2'000)
      complain("{} ended for '{}'", ended.test, reason);
    if (std::holds_alternative<Failed>(ended.outcome) ? reason.empty()
                                                      : ended.spoils_batch || ended.shared_blame) {
      complain("{} ended with marks that do not fit", ended.test);
    }
    ended_[ended.test] = true;
    running_.reset();
  }

  template <class... Args>
  void complain(fmt::format_string<Args...> format, Args&&... args) {
    if (broken_.empty()) broken_ = fmt::format(format, std::forward<Args>(args)...);
  }

  std::vector<std::optional<Duration>> began_;
  std::vector<bool> ended_;
  std::optional<std::size_t> running_;
  std::string broken_;
};

}  // namespace ffci::test
