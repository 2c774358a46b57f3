#include "kernel_log/stable_text.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"

namespace ffci::kernel_log {
namespace {

constexpr std::size_t longest_path = 256;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string source_place(std::string_view text) {
  for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
       colon = text.find(':', colon + 1)) {
    std::string_view file = text.substr(0, colon);
    if (!file.ends_with(".c") && !file.ends_with(".h") && !file.ends_with(".S") &&
        !file.ends_with(".rs"))
      continue;
    std::size_t end = colon + 1;
    while (end < text.size() && end < colon + 8 && is_digit(text[end]))
      ++end;
    if (end == colon + 1) continue;
    file = file.substr(file.size() - std::min(file.size(), longest_path));
    file.remove_prefix(file.find_last_of(" \t[(") + 1);
    while (take(file, "./") || take(file, "../"))
      continue;
    for (const std::string_view top :
         {"/fs/", "/mm/", "/kernel/", "/block/", "/lib/", "/drivers/", "/include/", "/arch/",
          "/io_uring/", "/security/", "/crypto/", "/net/"}) {
      const std::size_t at = file.starts_with('/') ? file.find(top) : std::string_view::npos;
      if (at != std::string_view::npos) file.remove_prefix(at + 1);
    }
    return std::string(file) + std::string(text.substr(colon, end - colon));
  }
  return {};
}

std::string without_values(std::string_view text) {
  constexpr std::size_t longest = 160;
  text = trim(text.substr(0, 4 * longest));
  std::string plain;
  while (!text.empty() && plain.size() < longest) {
    const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_word) -
                                              text.begin());
    if (end == 0) {
      plain += text[0];
      text.remove_prefix(1);
      continue;
    }
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    const bool hex = std::all_of(word.begin(), word.end(), [](char c) {
      return std::isxdigit(static_cast<unsigned char>(c)) != 0;
    });
    const bool digits = std::all_of(word.begin(), word.end(), is_digit);
    const bool named = plain.ends_with('-') && word.size() < 5;
    if ((digits && !named) || word.starts_with("0x") ||
        (hex && word.size() >= 8 && std::any_of(word.begin(), word.end(), is_digit))) {
      plain += 'N';
    } else {
      plain += word;
    }
  }
  return std::string(trim(plain));
}

}  // namespace ffci::kernel_log
