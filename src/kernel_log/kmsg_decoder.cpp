#include "kernel_log/kmsg_decoder.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace ffci {
namespace {

// The next number of a record's head, and the separator after it.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view separators) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || length == text.size() ||
      separators.find(text[length]) == std::string_view::npos)
    return std::nullopt;
  text.remove_prefix(text[length] == ';' ? length : length + 1);
  return number;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The kernel writes control characters, bytes above 126 and the backslash as \xNN.
std::string unescape(std::string_view text) {
  std::string plain(text.substr(0, text.find('\\')));
  text.remove_prefix(plain.size());
  plain.reserve(text.size());
  while (!text.empty()) {
    if (text.size() >= 4 && text.starts_with("\\x") && hex_value(text[2]) >= 0 &&
        hex_value(text[3]) >= 0) {
      plain += static_cast<char>(hex_value(text[2]) * 16 + hex_value(text[3]));
      text.remove_prefix(4);
      continue;
    }
    plain += text[0];
    text.remove_prefix(1);
  }
  return plain;
}

// "prio,seq,usec,flags[,key=value…];text"
std::optional<KernelLogLine> read_record(std::string_view line) {
  const auto priority = take_number(line, ",");
  const auto sequence = priority ? take_number(line, ",") : std::nullopt;
  const auto microseconds = sequence ? take_number(line, ",;") : std::nullopt;
  if (!microseconds ||
      *microseconds > std::uint64_t{std::numeric_limits<std::int64_t>::max() / 1'000})
    return std::nullopt;
  const std::size_t end = line.find(';');
  if (end == std::string_view::npos) return std::nullopt;

  KernelLogLine record;
  record.sequence = *sequence;
  record.since_boot = std::chrono::microseconds(*microseconds);
  record.level = static_cast<int>(*priority & 7);
  record.from_kernel = *priority >> 3 == 0;
  constexpr std::string_view key = ",caller=";
  const std::string_view fields = line.substr(0, end);
  if (const std::size_t at = fields.find(key); at != std::string_view::npos) {
    const std::string_view caller = fields.substr(at + key.size());
    record.caller = caller.substr(0, caller.find(','));
  }
  record.text = unescape(line.substr(end + 1));
  return record;
}

}  // namespace

KmsgDecoder::KmsgDecoder(std::function<void(const KernelLogLine&)> on_line)
    : on_line_(std::move(on_line)) {}

void KmsgDecoder::feed(std::string_view bytes) {
  const auto append = [this](std::string_view more) {
    partial_ += more.substr(0, longest_line - partial_.size());
  };
  for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos;
       bytes.remove_prefix(end + 1)) {
    if (partial_.empty()) {
      decode(bytes.substr(0, std::min(end, longest_line)));
      continue;
    }
    append(bytes.substr(0, end));
    decode(partial_);
    partial_.clear();
  }
  append(bytes);
}

void KmsgDecoder::finish() {
  decode(partial_);
  partial_.clear();
}

void KmsgDecoder::decode(std::string_view line) {
  if (line.empty() || line.starts_with(' ')) return;
  if (const auto record = read_record(line)) {
    latest_ = record->since_boot;
    on_line_(*record);
    return;
  }
  KernelLogLine unknown;
  unknown.since_boot = latest_;
  unknown.text = line;
  on_line_(unknown);
}

}  // namespace ffci
