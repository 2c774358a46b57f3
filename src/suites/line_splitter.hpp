// LineSplitter cuts a stream that arrives in pieces into lines. Hostile input is welcome: of a line
// longer than the limit only the beginning is given, so memory stays bounded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace ffci {

class LineSplitter {
 public:
  static constexpr std::size_t longest_line = 64 * 1024;

  // Calls on_line(std::string_view) for each line that `bytes` completes, without its "\n" or
  // "\r\n".
  template <class OnLine>
  void feed(std::string_view bytes, OnLine&& on_line) {
    for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos;
         bytes.remove_prefix(end + 1)) {
      if (partial_.empty()) {
        on_line(without_cr(bytes.substr(0, std::min(end, longest_line))));
        continue;
      }
      append(bytes.substr(0, end));
      on_line(without_cr(partial_));
      partial_.clear();
    }
    append(bytes);
  }

  // The last line, if the stream ended without a newline.
  template <class OnLine>
  void finish(OnLine&& on_line) {
    if (!partial_.empty()) on_line(without_cr(partial_));
    partial_.clear();
  }

 private:
  static std::string_view without_cr(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  void append(std::string_view bytes) {
    partial_ += bytes.substr(0, longest_line - partial_.size());
  }

  std::string partial_;
};

}  // namespace ffci
