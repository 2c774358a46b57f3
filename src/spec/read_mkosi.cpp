#include "spec/read_vms.hpp"
#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

constexpr int most_force = 3;  // -fff: without any cache

}  // namespace

MkosiHostsSpec read_mkosi_hosts(const Field& field) {
  MkosiHostsSpec mkosi;
  Fields fields(field);
  read_vms(field, fields, mkosi);
  mkosi.program = read_program(fields.optional("program")).value_or(mkosi.program);
  mkosi.config = fields.required("config").path().value_or("");
  mkosi.include = fields.optional("include").path().value_or("");
  mkosi.options = read_words(fields.optional("options"));
  mkosi.build = fields.optional("build").whole_int(0, most_force).value_or(mkosi.build);
  mkosi.build_timeout =
      fields.optional("build-timeout").duration_over_zero().value_or(mkosi.build_timeout);
  fields.finish();
  return mkosi;
}

}  // namespace ffci::spec
