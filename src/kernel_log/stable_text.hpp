// What of a message of the kernel is the same in each run and on each machine.
#pragma once

#include <string>
#include <string_view>

namespace ffci::kernel_log {

// "root=5 block=30408704": "root=N block=N". Numbers, addresses and ids become N; those that belong
// to a name (ext4, kmalloc-64, -EIO's -5) stay.
[[nodiscard]] std::string without_values(std::string_view text);

// "fs/btrfs/inode.c:3456", wherever the kernel was built; empty: the text names no source.
[[nodiscard]] std::string source_place(std::string_view text);

}  // namespace ffci::kernel_log
