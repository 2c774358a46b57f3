// The line that begins a splat, or says what the next one is about: what it says of the splat.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kernel_log/kernel_splat.hpp"

namespace ffci::kernel_log {

struct SplatHead {
  enum class Role {
    begins,
    message,      // "refcount_t: underflow; …": a place comes with it, before it or after
    place,        // "WARNING: … at fs/x.c:12 func", "kernel BUG at …"
    died,         // "Oops: 0002 [#1] SMP": perhaps of what was announced before
    consequence,  // of a corruption that has been told, if one has
  };
  enum class Stack {
    none,       // one line is all
    announced,  // after "Call Trace:" or the registers
    at_once,    // frames follow
  };
  SplatKind kind = SplatKind::warning;
  SplatClass splat_class = SplatClass::warning;
  std::string title;                // but for the function
  std::string_view joint = " in ";  // between the two
  std::string function;             // that the line names
  std::string other_function;       // of a data race
  Role role = Role::begins;
  Stack stack = Stack::announced;
};

// `text` is a line without time and caller.
[[nodiscard]] std::optional<SplatHead> read_splat_head(std::string_view text);
// The part of it that knows the file systems' own complaints.
[[nodiscard]] std::optional<SplatHead> read_filesystem_head(std::string_view text);

}  // namespace ffci::kernel_log
