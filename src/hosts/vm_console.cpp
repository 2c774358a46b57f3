#include "hosts/vm_console.hpp"

#include "kernel_log/console_line.hpp"
#include "kernel_log/splat_outcome.hpp"

namespace ffci {
namespace {

constexpr size_t longest_line =
    SplatFinder::longest_line;  // of a longer one, each such piece is one

}  // namespace

void VmConsole::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    partial_ += bytes.substr(0, end);
    if (end == std::string_view::npos && partial_.size() < longest_line) return;
    take_line(std::exchange(partial_, {}));
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  }
}

void VmConsole::begin() {
  if (!partial_.empty()) take_line(std::exchange(partial_, {}));
  splats_ = SplatFinder();
  accepted_.clear();
}

void VmConsole::take_line(std::string_view line) {
  while (line.ends_with('\r'))
    line.remove_suffix(1);
  const kernel_log::ConsoleLine read = kernel_log::read_console_line(line);
  if (!read.stamped || read.from_user) return;
  splats_.feed(line);
  on_line_(std::string(line) + "\n");
}

std::optional<FoundSplat> VmConsole::taint(Unfinished unfinished) const {
  std::optional<FoundSplat> worst;
  for (FoundSplat& splat : splats_.splats(unfinished)) {
    if (splat.splat_class == SplatClass::corruption || accepted_.contains(splat.signature) ||
        !why_allowed(splat, allowed_).empty())
      continue;
    if (!worst || (splat.fatal() && !worst->fatal())) worst = std::move(splat);
  }
  return worst;
}

void VmConsole::accept() {
  for (FoundSplat& splat : splats_.splats())
    accepted_.insert(std::move(splat.signature));
}

}  // namespace ffci
