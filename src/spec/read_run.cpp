#include <fmt/format.h>

#include <limits>

#include "spec/sections.hpp"

namespace ffci::spec {
namespace {

KernelLogSpec read_kernel_log(const Field& field) {
  KernelLogSpec log;
  if (!field.is(Value::Kind::map)) {
    log.watch = field.boolean("true, false or a map with 'allow'").value_or(log.watch);
    return log;
  }
  Fields fields(field);
  for (const Field& item : fields.required("allow").items()) {
    Fields allowance(item);
    log.allowed.push_back({allowance.required("match").title().value_or(""),
                           allowance.required("reason").title().value_or("")});
    allowance.finish();
  }
  fields.finish();
  return log;
}

// How long a batch is expected to take; nullopt: there are none.
std::optional<Duration> read_batch(const Field& field) {
  if (field.is(Value::Kind::map)) {
    Fields fields(field);
    const std::optional<Duration> target = fields.required("target").duration_over_zero();
    fields.finish();
    return target;
  }
  if (field.is_off()) return std::nullopt;
  const std::optional<Duration> target =
      field.duration("off, a duration such as 30s, or a map with 'target'");
  if (target == Duration::zero()) return field.expected("off, or a duration over 0");
  return target;
}

// "2/4", or off: all tests, whatever the CI system's variables say.
std::optional<ShardSpec> read_shard(const Field& field) {
  if (!field.present()) return std::nullopt;
  if (field.is_off()) return ShardSpec{};
  const std::optional<std::string> text = field.text();
  if (!text) return std::nullopt;
  const std::optional<ShardSpec> shard = parse_shard(*text);
  if (!shard)
    field.expected(fmt::format("off, or INDEX/COUNT such as 1/4, up to {0}/{0}", most_shards));
  return shard;
}

// A program, or the file that holds it. The command line's, where only one of them is from there.
void read_bpftrace(const Field& program, const Field& script, RunSpec& run) {
  run.bpftrace = program.filled_text().value_or("");
  run.bpftrace_script = script.path().value_or("");
  if (!program.present() || !script.present()) return;
  const auto program_from = program.where().origin->kind;
  const auto script_from = script.where().origin->kind;
  if (program_from == script_from) {
    script.complain(fmt::format(
        "'run.bpftrace-script' and 'run.bpftrace' (at {}) exclude each other; remove one",
        to_string(program.where())));
  } else if (script_from == SpecComplaint::Origin::command_line) {
    run.bpftrace.clear();
  } else {
    run.bpftrace_script.clear();
  }
}

KeepSpec read_keep(const Field& field) {
  KeepSpec keep;
  Fields fields(field);
  keep.runs = fields.optional("runs").whole_int(1, 1'000'000);
  keep.days = fields.optional("days").whole_int(1, 100'000);
  if (fields.is_map() && fields.all().empty())
    field.complain("'run.keep' says neither 'runs' nor 'days'");
  fields.finish();
  return keep;
}

}  // namespace

RunSpec read_run(const Field& field) {
  RunSpec run;
  Fields fields(field);
  run.order = fields.optional("order")
                  .choice<Order>({{"slowest-first", Order::slowest_first},
                                  {"random", Order::random},
                                  {"listed", Order::listed}})
                  .value_or(run.order);
  run.durations = fields.optional("durations").run_source().value_or(run.durations);
  run.seed = fields.optional("seed").whole(0, std::numeric_limits<std::uint64_t>::max());
  run.iterate = fields.optional("iterate").whole_int(1, 10'000).value_or(run.iterate);
  run.shard = read_shard(fields.optional("shard"));
  run.test_timeout = fields.optional("test-timeout").duration().value_or(run.test_timeout);
  run.deadline = fields.optional("deadline").duration_over_zero();
  run.retry_failures =
      fields.optional("retry-failures").whole_int(0, 100).value_or(run.retry_failures);
  if (const Field batch = fields.optional("batch"); batch.present())
    run.batch_target = read_batch(batch);
  run.max_host_restarts =
      fields.optional("max-host-restarts").whole_int(0, 100).value_or(run.max_host_restarts);
  run.stop_after_failures = fields.optional("stop-after-failures")
                                .whole_int(0, 1'000'000)
                                .value_or(run.stop_after_failures);
  run.kill_after = fields.optional("kill-after").duration().value_or(run.kill_after);
  run.heartbeat = fields.optional("heartbeat").duration().value_or(run.heartbeat);
  run.output_limit = fields.optional("output-limit").size().value_or(run.output_limit);
  run.files_limit = fields.optional("files-limit").size().value_or(run.files_limit);
  run.probe_interval =
      fields.optional("probe-interval").duration_over_zero().value_or(run.probe_interval);
  run.keep_alive = fields.optional("keep-alive").boolean().value_or(run.keep_alive);
  run.kernel_log = read_kernel_log(fields.optional("dmesg"));
  const Field program = fields.optional("bpftrace");
  read_bpftrace(program, fields.optional("bpftrace-script"), run);
  run.keep = read_keep(fields.optional("keep"));
  fields.finish();
  return run;
}

}  // namespace ffci::spec
