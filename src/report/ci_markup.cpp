#include "report/ci_markup.hpp"

#include <fmt/format.h>

namespace ffci {
namespace {

enum class Field { message, property };

std::string escaped(std::string_view text, Field field) {
  std::string result;
  for (const char c : text) {
    const bool special =
        c == '%' || c == '\r' || c == '\n' || (field == Field::property && (c == ':' || c == ','));
    if (special) {
      result += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string github_group(std::string_view title, std::string_view body) {
  return fmt::format("::group::{}\n{}::endgroup::\n", escaped(title, Field::message), body);
}

std::string github_guarded(std::string_view token, std::string_view body) {
  if (token.empty()) return std::string(body);
  return fmt::format("::stop-commands::{}\n{}::{}::\n", token, body, token);
}

std::string github_error(std::string_view title, std::string_view message) {
  return fmt::format("::error title={}::{}\n", escaped(title, Field::property),
                     escaped(message, Field::message));
}

std::string gitlab_section(std::string_view name, std::string_view title, WallTime at,
                           std::string_view body) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  constexpr std::string_view mark_end = "\r\x1B[0K";
  return fmt::format("section_start:{}:{}{}{}\n{}section_end:{}:{}{}\n", seconds, name, mark_end,
                     title, body, seconds, name, mark_end);
}

}  // namespace ffci
