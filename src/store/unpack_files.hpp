// Unpacks the tar of files that a test left on a host. Nothing in it is trusted. Regular files and
// directories are kept, with our owner and the modes 0644 and 0755 (less the umask); all else is
// left out and counted. Nothing is made outside of the folder, written over or followed. Each part
// of a path is kept as path_component writes it: plain ASCII, without control characters or a
// leading dot, and short enough. Holes stay holes, but count as if they were written. For any
// thread: it shares nothing, and waits for nothing but the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ffci {

struct UnpackLimits {
  std::uint64_t bytes = 0;  // of all kept files together; one that does not fit is left out
  std::size_t files = 0;    // entries of any kind, and folders made for them: the rest is left out
};

// Bytes that a tar may have when its files have so many: headers and padding come to it.
[[nodiscard]] constexpr std::uint64_t archive_limit(std::uint64_t files_bytes) {
  return files_bytes == 0 ? 0 : files_bytes + files_bytes / 8 + (4 << 20);
}

struct Unpacked {
  std::vector<std::string> files;  // relative to the folder, sorted
  std::string problem;  // why not everything was kept, without any foreign text; empty: it was
};

// `folder` is made when missing; what is in it already stays as it is. `archive` stays too. From an
// archive that is broken, cut off or none at all, what came whole is kept, and `problem` tells.
// Error (io): our side of it, such as a full disk; the files that were complete by then stay.
[[nodiscard]] Result<Unpacked> unpack_files(const std::filesystem::path& archive,
                                            const std::filesystem::path& folder,
                                            const UnpackLimits& limits);

}  // namespace ffci
