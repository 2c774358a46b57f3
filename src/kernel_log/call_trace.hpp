// What the kernel's stack dumps consist of, on x86_64, arm64, riscv, s390, ppc64, loongarch and 32
// bit arm: symbols, registers with the faulting function, frames. For the reader of a splat's
// lines; it keeps nothing and judges nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ffci::kernel_log {

// "func.isra.0+0x1c/0x20 [xfs]" anywhere in `text`: "func", without what the compiler appended
// (.isra.0, .part.0, .constprop.0, .cold, .llvm.1) and with one name for the system calls of all
// architectures ("__x64_sys_sync": "sys_sync"). Empty: there is none.
[[nodiscard]] std::string find_function(std::string_view text);

// The name at the beginning of `text`, in the same form: "func / other": "func".
[[nodiscard]] std::string leading_function(std::string_view text);

struct TraceLine {
  enum class Kind : std::uint8_t {
    other,
    begins,     // "Call Trace:"
    ends,       // the header of something else, the registers of user space
    registers,  // where the kernel was: `function`, if that is known
    frame,      // `function`, which called the one before it
  };
  Kind kind = Kind::other;
  std::string function;
  bool leaves_context = false;  // "</IRQ>", "<EOI>": what follows is what was interrupted
};
// A frame that the unwinder only guesses ("? func+0x1/0x2") is no frame.
[[nodiscard]] TraceLine read_trace_line(std::string_view text);

}  // namespace ffci::kernel_log
