#include <limits>

#include "spec/sections.hpp"

namespace ffci::spec {

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
  run.test_timeout = fields.optional("test-timeout").duration().value_or(run.test_timeout);
  run.deadline = fields.optional("deadline").duration_over_zero();
  run.retry_failures =
      fields.optional("retry-failures").whole_int(0, 100).value_or(run.retry_failures);
  run.max_host_restarts =
      fields.optional("max-host-restarts").whole_int(0, 100).value_or(run.max_host_restarts);
  run.stop_after_failures = fields.optional("stop-after-failures")
                                .whole_int(0, 1'000'000)
                                .value_or(run.stop_after_failures);
  run.kill_after = fields.optional("kill-after").duration().value_or(run.kill_after);
  run.heartbeat = fields.optional("heartbeat").duration().value_or(run.heartbeat);
  run.output_limit = fields.optional("output-limit").size().value_or(run.output_limit);
  fields.not_supported({"probe-interval", "keep-alive", "dmesg", "bpftrace", "bpftrace-script",
                        "shard", "batch", "keep"});
  fields.finish();
  return run;
}

}  // namespace ffci::spec
