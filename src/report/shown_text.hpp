// Foreign text (test names, reasons, output) made fit for a log or a report: printable, bounded,
// and without anything that a CI system would obey. GitHub's runner takes "##[command]" anywhere in
// a line, and "::command::" where a line begins, so a caller never begins a line with foreign text;
// Jenkins and GitLab take "[[ATTACHMENT|path]]" anywhere in the output of a test.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/attempt.hpp"

namespace ffci {

[[nodiscard]] std::string without_commands(std::string_view text);

// On one line, cut to `most` bytes.
[[nodiscard]] std::string shown_line(std::string_view text, std::size_t most = 300);

// The last `most` lines of what a stream wrote, each without its line end and as a terminal would
// leave it: what a CR overwrote is gone.
[[nodiscard]] std::vector<std::string> last_lines(const OutputExcerpt& output, std::size_t most);

// `text` up to `most` bytes, or its last `most` bytes; never a part of a character.
[[nodiscard]] std::string_view beginning_of(std::string_view text, std::size_t most);
[[nodiscard]] std::string_view end_of(std::string_view text, std::size_t most);

}  // namespace ffci
