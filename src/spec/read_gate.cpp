#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/text.hpp"
#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

constexpr int most_runs = 1000;

bool is_variable_name(std::string_view text) {
  constexpr std::string_view fit =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
  return !text.empty() && (text[0] < '0' || text[0] > '9') &&
         text.find_first_not_of(fit) == std::string_view::npos;
}

// Its complaint does not show the value, which is the token where the user took one for the other.
void complain_of_secret(const Field& field, std::string_view expected) {
  field.complain(fmt::format("'{}' is not {}; the token itself does not belong into the spec",
                             field.name(), expected));
}

std::string read_variable(const Field& field) {
  const std::optional<std::string> name = field.text();
  if (!name) return {};
  // What ${TOKEN} brings may look like a name, and is none.
  if (!is_variable_name(*name) || field.from_environment()) {
    complain_of_secret(field, "the name of an environment variable, such as CI_TOKEN");
    return {};
  }
  return *name;
}

std::optional<TokenSpec> read_token(const Field& field) {
  if (!field.present()) return std::nullopt;
  TokenSpec token;
  if (field.is(Value::Kind::scalar)) {
    token.variable = read_variable(field);
    return token;
  }
  if (!field.is(Value::Kind::map))
    return field.expected("the name of an environment variable, or a map with 'variable'");
  Fields fields(field);
  token.variable = read_variable(fields.required("variable"));
  const Field header = fields.optional("header");
  if (const auto name = header.text()) {
    token.header = *name;
    if (!is_header_name(*name))
      complain_of_secret(header, "the name of an HTTP header, such as Authorization");
  }
  fields.finish();
  return token;
}

// A number on the command line raises the limit of the file where it must.
void read_confirm(const Field& confirm, const Field& limit, GateSpec& gate) {
  const std::optional<int> first = confirm.whole_int(0, most_runs);
  gate.confirm = first.value_or(gate.confirm);
  const int usual = std::max(gate.confirm_limit, 4 * gate.confirm);
  gate.confirm_limit = limit.whole_int(0, 10 * most_runs).value_or(usual);
  if (gate.confirm_limit >= gate.confirm || (confirm.present() && !first)) return;
  if (confirm.from_command_line() && !limit.from_command_line()) {
    gate.confirm_limit = gate.confirm;
  } else {
    limit.expected(fmt::format("at least {}, as many as 'gate.confirm' begins with", gate.confirm));
  }
}

// Only a list on the command line leaves out what the file adds with `flaky`.
void read_fail_on(const Field& list, const Field& flaky, GateSpec& gate) {
  if (list.present()) gate.fail_on = {FailOn::regression};  // whatever else does
  for (const Field& item : list.item_or_items()) {
    const auto reason = item.choice<FailOn>({{"regression", FailOn::regression},
                                             {"new-failure", FailOn::new_failure},
                                             {"slower", FailOn::slower},
                                             {"flaky", FailOn::flaky},
                                             {"vanished", FailOn::vanished},
                                             {"skipped", FailOn::skipped}});
    if (reason) gate.fail_on.insert(*reason);
  }
  const bool overruled = list.from_command_line() && !flaky.from_command_line();
  if (flaky.boolean().value_or(false) && !overruled) gate.fail_on.insert(FailOn::flaky);
}

SlowerSpec read_slower(const Field& field) {
  SlowerSpec slower;
  Fields fields(field);
  slower.ratio = fields.optional("ratio").number(1, 1000).value_or(slower.ratio);
  slower.floor = fields.optional("floor").duration().value_or(slower.floor);
  slower.deviations = fields.optional("deviations").number(0, 1000).value_or(slower.deviations);
  slower.runs = fields.optional("runs").whole_int(2, 1000).value_or(slower.runs);
  fields.finish();
  return slower;
}

void read_base_hosts(const Field& field, const HostsSpec& hosts, GateSpec& gate) {
  if (!field.present()) return;
  Fields fields(field);
  const auto& ssh = hosts.remote.ssh;
  gate.base = read_remote_hosts(fields, ssh ? ssh->machines : std::vector<SshMachineSpec>{});
  if (fields.is_map() && !gate.base.any())
    field.complain(fmt::format("'{}' needs 'ssh', 'qemu' or 'mkosi'", field.name()));
  fields.finish();
}

// Complains of machines that would have nothing to do, unless the command line says so.
void refuse_idle_machines(const Field& machines, const Field& baseline, const Field& confirm,
                          GateSpec& gate) {
  if (!machines.present()) return;
  if (!baseline.present())
    machines.complain(
        fmt::format("'{}' does nothing without 'gate.baseline'; add it", machines.name()));
  if (gate.confirm > 0) return;
  if (confirm.from_command_line() && !machines.from_command_line()) {
    gate.base = {};
  } else {
    machines.complain(
        fmt::format("'{}' does nothing while 'gate.confirm' is 0; remove it", machines.name()));
  }
}

}  // namespace

GateSpec read_gate(const Field& field, const HostsSpec& hosts) {
  GateSpec gate;
  Fields fields(field);
  const Field baseline = fields.optional("baseline");
  gate.baseline = baseline.run_source();
  gate.baseline_optional =
      fields.optional("baseline-optional").boolean().value_or(gate.baseline_optional);
  gate.token = read_token(fields.optional("baseline-token"));
  const Field confirm = fields.optional("confirm");
  read_confirm(confirm, fields.optional("confirm-limit"), gate);
  gate.known_issues = fields.optional("known-issues").path().value_or(gate.known_issues);
  const Field fail_on = fields.optional("fail-on");
  read_fail_on(fail_on, fields.optional("fail-on-flaky"), gate);
  gate.strict_baseline =
      fields.optional("strict-baseline").boolean().value_or(gate.strict_baseline);
  gate.slower = read_slower(fields.optional("slower"));
  const Field base_hosts = fields.optional("base-hosts");
  read_base_hosts(base_hosts, hosts, gate);
  refuse_idle_machines(base_hosts, baseline, confirm, gate);
  fields.finish();
  return gate;
}

}  // namespace ffci::spec
