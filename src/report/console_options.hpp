// What a user chose of the log.
#pragma once

#include <cstddef>
#include <string>

#include "report/ci_markup.hpp"

namespace ffci {

enum class Colour { no, yes };

struct ConsoleOptions {
  bool verbose = false;  // a line for every test and every set-up, also where all is well
  Colour colour = Colour::no;
  CiSystem ci = CiSystem::none;  // groups, annotates and guards guest text in that system's way
  std::string guard_token =
      {};  // for GitHub's ::stop-commands::; random, so that a guest can't guess it
  bool print_failure_list = false;  // "SUITE/TEST" of every bad test on one line, to be pasted
                                    // behind `ff-ci run job.yaml`
  bool print_log_ins = false;       // how to reach the hosts
  std::size_t print_n_slowest = 0;
  bool print_duration_histogram = false;
};

}  // namespace ffci
