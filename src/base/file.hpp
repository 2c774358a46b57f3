// Whole files: read with a limit, written so that a reader never sees half of one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ffci {

// The whole file. Errors (no_input): missing, unreadable, a directory, or larger than `limit`
// bytes.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit);

// Written beside, synced, then renamed over `path` (a device or FIFO is written to as it is); its
// folder is made when missing. Errors (io) name the path and the cause.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view content);

// The paths of what is in a directory, by name, without "." and "..". Errors: no_input: there is
// none; io: it can't be read to its end.
[[nodiscard]] Result<std::vector<std::filesystem::path>> entries_of(
    const std::filesystem::path& directory);

// All of `bytes`, through short writes, EINTR and a descriptor that does not block. Returns 0, or
// the errno that stopped it.
[[nodiscard]] int write_all(int fd, std::string_view bytes);

}  // namespace ffci
