// Forecast: how long a job is expected to take on each of several numbers of hosts. Made by
// engine/forecast, shown by report/plan_table.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/test_id.hpp"

namespace ffci {

// What there may be more or fewer of.
enum class HostUnit { slot, machine };

struct ForecastRow {
  int hosts = 1;
  Duration wall{};          // of the run
  double utilisation = 0;   // the part of all slots' time in which tests ran; 0 to 1
  std::size_t not_run = 0;  // tests that the deadline leaves out or cuts off
};

struct Forecast {
  // Of the job.
  std::string job;
  HostUnit unit = HostUnit::slot;
  int slots_each = 1;                  // of a machine
  std::vector<int> own_slots;          // of each of the job's machines, where that differs
  int local_slots = 0;                 // of this machine, beside the machines
  std::string durations;               // where they came from; empty: nowhere
  std::size_t tests = 0, unknown = 0;  // unknown: those whose durations nobody knows
  Duration test_time{};                // of all tests
  std::optional<Duration> deadline;

  std::vector<ForecastRow> rows;  // by number of hosts; those of the job and the knee among them
  int own = 1;                    // as many hosts as the job has
  // The fewest hosts on which the run takes at most 10 % longer than `best`, so that more of them
  // save less than that.
  int knee = 1;
  Duration best{};                 // the shortest run on any number of hosts
  std::optional<int> tried_up_to;  // it may be still shorter on more than so many
  // The test that bounds the run: a run of it alone takes `longest_wall`, and so no run is shorter.
  TestId longest;
  Duration longest_takes{}, longest_wall{};
  std::optional<int> longest_reached_with;  // the fewest hosts on which it takes no more, but for
                                            // 1 %; none: on no number of them

  [[nodiscard]] const ForecastRow& row(int hosts) const {
    for (const ForecastRow& row : rows) {
      if (row.hosts == hosts) return row;
    }
    return rows.back();
  }
};

// What the hosts of a row cost: their number times the run's time, in minutes.
[[nodiscard]] inline double host_minutes(const ForecastRow& row) {
  return row.hosts * to_seconds(row.wall) / 60;
}

}  // namespace ffci
