// The limit of open files: ff-ci raises its own, and gives commands the one that it was given.
#pragma once

#include <sys/resource.h>

#include "base/result.hpp"

namespace ffci {

[[nodiscard]] rlimit open_files_at_start();

// Raises this process's limit for so many commands at once. Error (unavailable): it can't be high
// enough.
[[nodiscard]] Result<void> allow_open_files(int commands);

}  // namespace ffci
