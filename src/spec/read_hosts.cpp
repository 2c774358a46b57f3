#include "spec/sections.hpp"

namespace ffci::spec {

std::optional<LocalHostsSpec> read_hosts(const Field& field) {
  Fields fields(field);
  fields.not_supported({"ssh", "qemu", "mkosi"});
  const Field local = fields.required("local");
  fields.finish();
  if (!local.present()) return std::nullopt;

  LocalHostsSpec hosts;
  Fields local_fields(local);
  hosts.slots = local_fields.required("slots").whole_int(1, 1024).value_or(hosts.slots);
  local_fields.finish();
  return hosts;
}

}  // namespace ffci::spec
