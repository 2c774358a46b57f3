#include "hosts/vm_needs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>

#include "base/file.hpp"
#include "base/text.hpp"

namespace ffci {
namespace {

// "--ram=4G" or "--ram", "4G": the last one counts. Empty: none.
std::string option_of(const std::vector<std::string>& words,
                      std::initializer_list<std::string_view> names) {
  std::string value;
  for (size_t i = 0; i < words.size(); ++i) {
    for (const std::string_view name : names) {
      const std::string_view word = words[i];
      if (word == name && i + 1 < words.size()) value = words[i + 1];
      if (word.starts_with(name) && word.substr(name.size()).starts_with('='))
        value = word.substr(name.size() + 1);
    }
  }
  return value;
}

std::uint64_t total_of(std::span<const VmNeeds> all) {
  std::uint64_t total = 0;
  for (const VmNeeds& vms : all)
    total += vms.memory * static_cast<std::uint64_t>(vms.count);
  return total;
}

}  // namespace

std::uint64_t memory_available() {
  const auto text = read_file("/proc/meminfo", 1 << 20);
  if (!text) return 0;
  constexpr std::string_view name = "MemAvailable:";
  const size_t at = text->find(name);
  if (at == std::string::npos) return 0;
  const std::string_view number = trim(std::string_view(*text).substr(at + name.size(), 20));
  std::uint64_t kibibytes = 0;
  std::from_chars(number.data(), number.data() + number.size(), kibibytes);
  return kibibytes << 10;
}

VmNeeds needs_of(const QemuHostsSpec& spec) {
  return {spec.where, spec.count, spec.memory, spec.cpus};
}

VmNeeds needs_of(const MkosiHostsSpec& spec) {
  // The older names are of mkosi 24 and before.
  const std::string memory = option_of(spec.options, {"--ram", "--qemu-mem"});
  const std::string processors = option_of(spec.options, {"--cpus", "--qemu-smp"});
  VmNeeds needs{spec.where, spec.count, parse_size(memory).value_or(0), 0};
  std::from_chars(processors.data(), processors.data() + processors.size(), needs.processors);
  return needs;
}

Result<void> check_memory(std::span<const VmNeeds> all, std::uint64_t available) {
  const std::uint64_t needed = total_of(all);
  if (available == 0 || needed <= available) return {};
  const VmNeeds& most =
      *std::max_element(all.begin(), all.end(), [](const VmNeeds& a, const VmNeeds& b) {
        return total_of({&a, 1}) < total_of({&b, 1});
      });
  const bool alone = total_of({&most, 1}) == needed;
  return fail(ErrorKind::unavailable,
              fmt::format("{}: {} VMs of {} need {}{}, and {} are available here: lower their "
                          "number or their memory",
                          most.where, most.count, human_size(most.memory), human_size(needed),
                          alone ? "" : " with those of the other hosts", human_size(available)));
}

std::string shared_processors(std::span<const VmNeeds> all, int here) {
  int wanted = 0;
  for (const VmNeeds& vms : all)
    wanted += vms.count * vms.processors;
  if (here == 0 || wanted <= here) return {};
  return fmt::format("{}: the VMs' {} processors share the {} that are here", all.front().where,
                     wanted, here);
}

}  // namespace ffci
