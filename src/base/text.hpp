// Text: splitting, matching, quoting, the nearest word for a typo, and making foreign bytes fit to
// be shown.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ffci {

[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

// Shell glob: * ? [a-z]; '*' also matches '/'.
[[nodiscard]] bool glob_matches(const std::string& pattern, const std::string& text);
[[nodiscard]] bool is_glob(std::string_view text);

// The word of `known` that `typed` was probably meant to be: at most a third of its letters apart.
// Empty: none is near.
[[nodiscard]] std::string nearest_word(std::string_view typed, std::span<const std::string> known);
// "; did you mean 'x'?" or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view typed, std::span<const std::string> known);

// One word for /bin/sh, whatever it holds (a NUL cannot be held: the text ends there).
[[nodiscard]] std::string shell_quote(std::string_view word);

// The name of a header of HTTP: a token of RFC 9110, 5.6.2.
[[nodiscard]] bool is_header_name(std::string_view text);

// "64MiB", "2G", "100k", "0": bytes; K, M, G, T are powers of 1024. nullopt: not a size.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string human_size(std::uint64_t bytes);

// Valid UTF-8: each invalid byte becomes U+FFFD. Nothing else changes.
[[nodiscard]] std::string to_utf8(std::string_view bytes);
// What may be shown or put into XML 1.0: valid UTF-8 without terminal escape sequences; tab,
// newline and CR kept, other control characters as "#xNN", characters that XML forbids as U+FFFD.
[[nodiscard]] std::string printable(std::string_view bytes);
// printable, on one line: each newline, tab and CR becomes a space, the ends are trimmed, cut to
// `most` bytes with "…".
[[nodiscard]] std::string printable_line(std::string_view bytes, size_t most = 300);
// printable_line of the last line that is not blank.
[[nodiscard]] std::string printable_last_line(std::string_view bytes, size_t most = 300);

}  // namespace ffci
