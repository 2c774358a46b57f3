// VmConsole reads what comes from a VM's console: which lines its kernel wrote, and what they mean
// for the kernel. Pure.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernel_log/kernel_splat.hpp"
#include "model/job_spec.hpp"

namespace ffci {

class VmConsole {
 public:
  // `on_line`: a line of the kernel's, with its newline. `allowed`: reports that mean nothing.
  VmConsole(std::vector<KernelLogAllowance> allowed,
            std::function<void(const std::string&)> on_line)
      : allowed_(std::move(allowed)), on_line_(std::move(on_line)) {}

  void feed(std::string_view bytes);
  // A VM begins anew: nothing of before counts. What has no newline is a line all the same.
  void begin();

  using Unfinished = SplatFinder::Unfinished;
  // Why the kernel should run no further test: the first of its reports that nobody has accepted, a
  // fatal one before all others. What an unfinished one means may change with its next lines.
  [[nodiscard]] std::optional<FoundSplat> taint(Unfinished unfinished = Unfinished::included) const;
  // It is used in spite of what it has reported by now.
  void accept();

 private:
  void take_line(std::string_view line);

  std::vector<KernelLogAllowance> allowed_;
  std::function<void(const std::string&)> on_line_;
  SplatFinder splats_;
  std::set<std::string> accepted_;  // signatures
  std::string partial_;
};

}  // namespace ffci
