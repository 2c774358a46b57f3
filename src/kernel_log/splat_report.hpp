// SplatReport gathers the lines of one report, from its head to its end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernel_log/call_trace.hpp"
#include "kernel_log/kernel_splat.hpp"
#include "kernel_log/splat_head.hpp"

namespace ffci::kernel_log {

class SplatReport {
 public:
  SplatReport(SplatHead head, std::string_view caller);

  // A head that belongs to this report, as "Oops: 0002 [#1]" to "BUG: kernel NULL pointer
  // dereference", is taken into it. False: it begins another one.
  [[nodiscard]] bool absorb(const SplatHead& head);
  // A further line of the log. False: the report ended before it or with it.
  [[nodiscard]] bool take(std::string_view text, std::string_view caller);
  // The kernel panicked because of it.
  void make_fatal() { head_.splat_class = SplatClass::crash; }

  [[nodiscard]] FoundSplat found() const;

 private:
  enum class Trace { awaited, reading, over };

  [[nodiscard]] bool is_stall() const;
  void add(std::string function, std::vector<std::string>& functions);
  void take_lock_site(std::string_view text);
  void take_trace_line(TraceLine line);
  void forget_interrupt();

  SplatHead head_;
  std::string caller_;
  std::size_t lines_ = 0;
  Trace trace_ = Trace::awaited;
  bool frames_seen_ = false;
  bool unrelated_trace_ = false;         // the next trace is of somebody else
  bool site_follows_ = false;            // a line ended with " at:"
  std::vector<std::string> lock_sites_;  // where the locks in question were taken
  std::string held_at_;                  // the first of the locks that were held
  std::vector<std::string> functions_;   // from the top of the stack
  std::string generic_;                  // the first that says little
};

}  // namespace ffci::kernel_log
