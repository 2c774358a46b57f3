#include "hosts/vm_mounts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace ffci {
namespace {

// tag, directory, rw or ro. Whoever has mounted it there already (the image, or this script, before
// its connection broke) has saved the trouble.
constexpr std::string_view script = R"sh(modprobe 9pnet_virtio 2>/dev/null
share() {
  place=$(mkdir -p -- "$2" && CDPATH= cd -P -- "$2" && pwd) || exit
  while read -r source point type _; do
    [ "$source $type" = "$1 9p" ] && [ "$(printf '%b' "$point")" = "$place" ] && return
  done </proc/mounts
  mount -t 9p -o "trans=virtio,version=9p2000.L,msize=131072,$3" -- "$1" "$place" || exit
}
)sh";

}  // namespace

bool has_mounts(const VmHostsSpec& spec) {
  return std::any_of(spec.share.begin(), spec.share.end(),
                     [](const VmShareSpec& share) { return !share.mount.empty(); });
}

Command mount_command(const VmHostsSpec& spec) {
  Command command;
  command.title = "ff-ci: shared directories";
  command.directory = command.directory_in_tree = "/";
  command.setup = script;
  for (const VmShareSpec& share : spec.share) {
    if (share.mount.empty()) continue;
    command.setup += fmt::format("share {} {} {}\n", share.tag, shell_quote(share.mount),
                                 share.writable ? "rw" : "ro");
  }
  if (!spec.path.empty()) {
    const std::string path = shell_quote(spec.path);
    command.setup += fmt::format(
        "[ -d {0} ] && [ -x {0} ] || {{ echo {1} >&2; exit 1; }}\n", path,
        shell_quote(fmt::format("path: {} is no directory that can be entered", spec.path)));
  }
  return command;
}

void VmMounts::on_scope_output(size_t, Stream stream, std::string_view bytes) {
  if (stream == Stream::standard_error && said_.size() < 1000) said_ += bytes;
}

void VmMounts::on_set_up(size_t, const std::optional<std::string>& failure) {
  std::string trouble;
  if (failure) {
    trouble = "its shared directories can't be used: " +
              (said_.empty() ? *failure : printable_line(said_, 300));
  }
  if (const auto done = std::exchange(on_done_, {})) done(trouble, !said_.empty());
}

}  // namespace ffci
