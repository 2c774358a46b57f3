// What is wrong with a job spec or a known-issues file, and where. Everything in spec adds to one
// list of Complaints and goes on, so that the user sees all of them at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/load_job_spec.hpp"

namespace ffci::spec {

// Where a value was written: a file, or one option of the command line.
struct Origin {
  SpecComplaint::Origin kind = SpecComplaint::Origin::file;
  std::string shown_name;                  // "job.yaml", "--set run.iterate=2"
  std::filesystem::path directory;         // where its relative paths start
  std::optional<std::string> home;         // what its ~ stands for; none: HOME is not set
  std::string_view document = "job spec";  // what complaints call the whole
};

// Points to its origin, which outlives it. Lines and columns (in bytes) count from 1.
struct Location {
  const Origin* origin = nullptr;
  int line = 1, column = 1;
};

// "job.yaml:12:7"; of an override its option alone.
[[nodiscard]] std::string to_string(const Location& location);

class Complaints {
 public:
  void add(const Location& at, std::string_view what);

  [[nodiscard]] bool empty() const { return complaints_.empty(); }
  // By line and column, those about overrides last; a complaint about text that an alias repeats
  // comes once.
  [[nodiscard]] std::vector<SpecComplaint> sorted() const;

 private:
  struct Complaint {
    Location at;
    std::string text;
  };
  std::vector<Complaint> complaints_;
};

}  // namespace ffci::spec
