#include "report/plan_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/console_line.hpp"
#include "report/shown_text.hpp"

namespace ffci {
namespace {

std::string_view unit_name(HostUnit unit) {
  return unit == HostUnit::slot ? "slot" : "machine";
}

std::string hosts_text(const Forecast& forecast, int hosts) {
  return counted(static_cast<std::size_t>(hosts), unit_name(forecast.unit));
}

std::string head(const Forecast& forecast) {
  std::string text =
      fmt::format("job {}: {}, {} of testing", shown_line(forecast.job),
                  counted(forecast.tests, "test"), human_duration(forecast.test_time));
  if (!forecast.durations.empty())
    text += fmt::format(", durations from {}", shown_line(forecast.durations));
  text += '\n';
  if (forecast.unknown > 0) {
    text += forecast.unknown == forecast.tests
                ? std::string("no known duration for any test")
                : fmt::format("no known duration for {}", counted(forecast.unknown, "test"));
    text += ": taken to be usual for the suite (3s if nothing is known); the figures are a guess\n";
  }
  if (forecast.unit == HostUnit::machine) {
    const std::string each = counted(static_cast<std::size_t>(forecast.slots_each), "slot");
    if (forecast.own_slots.empty()) {
      text += "each machine has " + each;
    } else {
      const auto [fewest, most] = std::ranges::minmax(forecast.own_slots);
      text += fmt::format("the job's machines have {} to {} slots, each further one {}", fewest,
                          most, each);
    }
    if (forecast.local_slots > 0) {
      text += fmt::format("; this one adds {} in all rows",
                          counted(static_cast<std::size_t>(forecast.local_slots), "slot"));
    }
    text += '\n';
  }
  return text;
}

std::string table(const Forecast& forecast) {
  const bool slots = forecast.unit == HostUnit::slot;
  const std::string_view first = slots ? "slots" : "machines",
                         last = slots ? "slot-minutes" : "machine-minutes";
  std::string text =
      fmt::format("\n{:>8}  {:>9}  {:>6}  {:>15}\n", first, "wall time", "in use", last);
  for (const ForecastRow& row : forecast.rows) {
    text += fmt::format("{:>8}  {:>9}  {:>5.0f}%  {:>15.1f}", row.hosts, human_duration(row.wall),
                        100 * row.utilisation, host_minutes(row));
    std::vector<std::string> remarks;
    if (row.hosts == forecast.own) remarks.emplace_back("this job");
    if (row.hosts == forecast.knee) remarks.emplace_back("knee");
    if (row.not_run > 0) remarks.push_back(counted(row.not_run, "test") + " not run");
    if (!remarks.empty()) text += fmt::format("  {}", fmt::join(remarks, ", "));
    text += '\n';
  }
  return text + '\n';
}

std::string who_reaches_the_bound(const Forecast& forecast) {
  if (forecast.longest_reached_with)
    return fmt::format("reached with {}", hosts_text(forecast, *forecast.longest_reached_with));
  if (forecast.tried_up_to)
    return fmt::format("not reached with {}", hosts_text(forecast, *forecast.tried_up_to));
  return fmt::format("not reached with any number of {}s", unit_name(forecast.unit));
}

std::string conclusions(const Forecast& forecast) {
  const auto wall = [&](int hosts) { return human_duration(forecast.row(hosts).wall); };
  std::string text =
      fmt::format("this job: {}: {}\n", hosts_text(forecast, forecast.own), wall(forecast.own));
  text += fmt::format(
      "knee: {}: {}, within 10 % of the shortest possible{}, {}\n",
      hosts_text(forecast, forecast.knee), wall(forecast.knee),
      forecast.tried_up_to ? " on up to " + hosts_text(forecast, *forecast.tried_up_to) : "",
      human_duration(forecast.best));
  text += fmt::format("longest test: {}, {}: no run with it is shorter than {}; {}\n",
                      shown_name(forecast.longest), human_duration(forecast.longest_takes),
                      human_duration(forecast.longest_wall), who_reaches_the_bound(forecast));
  if (forecast.deadline) text += fmt::format("deadline: {}\n", human_duration(*forecast.deadline));
  return text + "failures, retries and lost hosts are not predicted\n";
}

}  // namespace

std::string plan_table(const Forecast& forecast) {
  return head(forecast) + table(forecast) + conclusions(forecast);
}

std::string plan_json(const Forecast& forecast) {
  using Json = nlohmann::ordered_json;
  Json json{{"version", 1},
            {"job", forecast.job},
            {"unit", unit_name(forecast.unit)},
            {"slots_each", forecast.slots_each},
            {"local_slots", forecast.local_slots},
            {"tests", forecast.tests},
            {"unknown_durations", forecast.unknown}};
  if (!forecast.own_slots.empty()) json["own_slots"] = forecast.own_slots;
  if (!forecast.durations.empty()) json["durations"] = forecast.durations;
  json["test_seconds"] = to_seconds(forecast.test_time);
  if (forecast.deadline) json["deadline_seconds"] = to_seconds(*forecast.deadline);
  json["this_job"] = forecast.own;
  json["knee"] = forecast.knee;
  json["best_seconds"] = to_seconds(forecast.best);
  if (forecast.tried_up_to) json["tried_up_to"] = *forecast.tried_up_to;
  Json& longest = json["longest_test"] = Json{{"suite", forecast.longest.suite}};
  if (!forecast.longest.configuration.empty())
    longest["configuration"] = forecast.longest.configuration;
  longest["name"] = forecast.longest.name;
  longest["seconds"] = to_seconds(forecast.longest_takes);
  longest["wall_seconds"] = to_seconds(forecast.longest_wall);
  if (forecast.longest_reached_with) longest["reached_with"] = *forecast.longest_reached_with;
  Json& rows = json["rows"] = Json::array();
  for (const ForecastRow& row : forecast.rows) {
    rows.push_back({{"hosts", row.hosts},
                    {"wall_seconds", to_seconds(row.wall)},
                    {"utilisation", row.utilisation},
                    {"host_minutes", host_minutes(row)},
                    {"not_run", row.not_run}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ffci
