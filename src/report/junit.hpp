// JUnit XML as Jenkins, GitLab and the GitHub reporters read it; schemas/junit.xsd documents it. A
// pure function of the run. Always valid XML 1.0, whatever the tests wrote; text is cut so that
// GitLab takes the file (30 MB) even when thousands fail.
#pragma once

#include <optional>
#include <string>

#include "model/run.hpp"

namespace ffci {

struct JunitOptions {
  // The run's folder as the reader of the report should name it: relative to the project for
  // GitLab, absolute for Jenkins. With it each bad attempt names its output files in
  // [[ATTACHMENT|path]] lines; none: no such lines.
  std::optional<std::string> attachment_root;
};

[[nodiscard]] std::string junit_xml(const Run& run, const JunitOptions& options = {});

}  // namespace ffci
