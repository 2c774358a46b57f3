// A failure that somebody knows, and has taken on: it does not make a build red until it expires.
#pragma once

#include <chrono>
#include <string>

namespace ffci {

struct KnownIssue {
  // Globs; all that are given must match. At least one of test and signature is given.
  std::string suite, test, configuration;
  std::string message;                    // over the reason of the verdict
  std::string signature;                  // over the signature or the title of a kernel report
  std::string reason;                     // why it is known
  std::string link;                       // where it is worked on
  std::chrono::year_month_day expires{};  // the last day, in UTC, on which it counts
  std::string where;                      // file:line:col
};

}  // namespace ffci
