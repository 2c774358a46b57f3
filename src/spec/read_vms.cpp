#include "spec/read_vms.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.hpp"

namespace ffci::spec {
namespace {

constexpr size_t longest_tag = 31;  // that QEMU takes
constexpr size_t most_shares = 26;  // each is a device of the VM

bool is_tag(std::string_view text) {
  constexpr std::string_view characters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !text.empty() && text.size() <= longest_tag &&
         text.find_first_not_of(characters) == std::string_view::npos;
}

// Default: the last component of the path.
std::string read_tag(const Field& field, const Field& path, const std::string& directory) {
  const std::string wanted = fmt::format("up to {} letters, digits, '.', '_' and '-'", longest_tag);
  std::optional<std::string> tag = field.text();
  if (tag && !is_tag(*tag)) field.expected(wanted);
  if (field.present() || directory.empty()) return tag.value_or("");
  tag = std::filesystem::path(directory).filename().string();
  if (!is_tag(*tag)) {
    path.complain(fmt::format("'{}' is missing, and '{}' is no tag, which has {}", field.name(),
                              printable_line(*tag, 60), wanted));
  }
  return *tag;
}

std::string read_mount(const Field& field) {
  const std::optional<std::string> mount = field.line();
  const bool fits =
      !mount || (mount->starts_with('/') && mount->find_first_not_of('/') != std::string::npos);
  if (!fits) field.expected("an absolute path in the VM, such as /mnt/tree");
  return mount.value_or("");
}

std::vector<VmShareSpec> read_share(const Field& field) {
  std::vector<VmShareSpec> shares;
  const std::vector<Field> items = field.any_items();
  if (items.size() > most_shares)
    field.complain(fmt::format("a VM can have {} shares", most_shares));
  for (const Field& item : items) {
    Fields fields(item);
    VmShareSpec share;
    const Field path = fields.required("path");
    const Field tag = fields.optional("tag");
    const Field mount = fields.optional("mount");
    share.path = path.path().value_or("");
    share.tag = read_tag(tag, path, share.path);
    share.mount = read_mount(mount);
    share.writable = fields.optional("writable").boolean().value_or(share.writable);
    fields.finish();
    for (const VmShareSpec& other : shares) {
      if (!share.tag.empty() && other.tag == share.tag)
        item.complain(fmt::format("duplicate tag '{}'; each share needs its own", share.tag));
      if (!share.mount.empty() && other.mount == share.mount)
        mount.complain(fmt::format("share '{}' is mounted at '{}', too", other.tag, share.mount));
    }
    shares.push_back(std::move(share));
  }
  return shares;
}

}  // namespace

std::vector<std::string> read_words(const Field& field) {
  std::vector<std::string> words;
  for (const Field& item : field.any_items()) {
    if (auto text = item.filled_text()) words.push_back(std::move(*text));
  }
  return words;
}

std::optional<std::string> read_program(const Field& field) {
  const std::optional<std::string> written = field.filled_text();
  if (!written || written->find('/') == std::string::npos) return written;
  return field.path();
}

void read_vms(const Field& field, Fields& fields, VmHostsSpec& vms) {
  if (field.present()) vms.where = to_string(field.where());
  vms.count = fields.optional("count").whole_int(1, 256).value_or(vms.count);
  vms.arch = fields.optional("arch").word().value_or(vms.arch);
  vms.share = read_share(fields.optional("share"));
  vms.arguments = read_words(fields.optional("arguments"));
  vms.connection =
      fields.optional("connection")
          .choice<VmConnection>({{"port", VmConnection::port}, {"vsock", VmConnection::vsock}})
          .value_or(vms.connection);
  vms.boot_timeout =
      fields.optional("boot-timeout").duration_over_zero().value_or(vms.boot_timeout);
  vms.slots = fields.optional("slots").whole_int(1, 64).value_or(vms.slots);
  vms.path = fields.optional("path").filled_text().value_or("");
  vms.user = fields.optional("user").word().value_or(vms.user);
  vms.replace_tainted = fields.optional("replace-tainted").boolean().value_or(vms.replace_tainted);
  // Of mkosi, of fast-fstests and of QEMU.
  fields.known_as("path", "fstests");
  fields.known_as("boot-timeout", "timeout");
  fields.known_as("count", "num");
  fields.known_as("arguments", "args");
}

}  // namespace ffci::spec
