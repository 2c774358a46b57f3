#include "gate/slower.hpp"

#include <algorithm>

#include "base/quantile.hpp"

namespace ffci {

std::optional<SlowerLimit> slower_limit(const std::vector<Duration>& durations,
                                        const SlowerSpec& spec) {
  if (durations.empty() || durations.size() < static_cast<std::size_t>(spec.runs))
    return std::nullopt;
  const Duration usual = *median(durations);
  std::vector<Duration> deviations;
  for (const Duration duration : durations)
    deviations.push_back(duration > usual ? duration - usual : usual - duration);
  const double deviation = 1.4826 * to_seconds(*median(deviations));
  const double seconds = to_seconds(usual);
  return SlowerLimit{usual,
                     from_seconds(std::max({spec.ratio * seconds, seconds + to_seconds(spec.floor),
                                            seconds + spec.deviations * deviation}))};
}

}  // namespace ffci
