#include "store/recordings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "base/file.hpp"
#include "base/text.hpp"
#include "store/run_id.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t longest_label = 200;
constexpr std::string_view digits = "0123456789";

tl::unexpected<Error> refuse(const fs::path& path, int error) {
  return fail(ErrorKind::io,
              fmt::format("cannot make {}: {}", path.string(), std::strerror(error)));
}

// Empty: it is a plain word that means nothing else; a run's id is one, too.
std::string why_not_plain(std::string_view label) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
  if (label.empty()) return "it is empty";
  if (label.size() > longest_label) return fmt::format("it is longer than {}", longest_label);
  if (label.find_first_not_of(plain) != std::string_view::npos)
    return "expected letters, digits, '.', '_', '+' and '-'";
  if (label[0] == '-' || label[0] == '.') return "it begins with '-' or '.'";
  if (label == "latest" || label == "history" || label == "none")
    return "that word means something else";
  if (label.find_first_not_of(digits) == std::string_view::npos) return "it has nothing but digits";
  return {};
}

tl::unexpected<Error> refuse_label(std::string_view label, std::string_view why) {
  return fail(ErrorKind::usage, fmt::format("'{}' can't be the label of a recording: {}",
                                            printable_line(label, 60), why));
}

}  // namespace

std::vector<Recording> recordings(const fs::path& results) {
  std::vector<Recording> found;
  // Entries that are no links are not ours.
  for (const fs::path& entry :
       entries_of(results / "recordings").value_or(std::vector<fs::path>())) {
    std::error_code no_link;
    const fs::path target = fs::read_symlink(entry, no_link);
    const std::string label = entry.filename();
    if (!no_link && why_not_plain(label).empty()) found.push_back({label, target.filename()});
  }
  std::sort(found.begin(), found.end(), [](const Recording& a, const Recording& b) {
    return std::tie(b.run_id, a.label) < std::tie(a.run_id, b.label);
  });
  return found;
}

Result<void> check_label(std::string_view label) {
  std::string why = why_not_plain(label);
  if (why.empty() && parse_run_id(label)) why = "it is the id of a run";
  if (why.empty()) return {};
  return refuse_label(label, why);
}

Result<std::optional<std::string>> record(const fs::path& results, const std::string& run_id,
                                          const std::string& label, MoveLabel move) {
  std::error_code error;
  if (label == run_id) {
    if (const std::string why = why_not_plain(label); !why.empty()) return refuse_label(label, why);
  } else {
    if (const auto fits = check_label(label); !fits) return tl::unexpected(fits.error());
    if (fs::exists(results / "runs" / label, error))
      return refuse_label(label, "it is the id of a run");
  }
  const fs::path folder = results / "recordings", link = folder / label;
  fs::create_directories(folder, error);
  if (error) return refuse(folder, error.value());

  const std::string target = "../runs/" + run_id;
  if (::symlink(target.c_str(), link.c_str()) == 0) return std::optional<std::string>();
  if (errno != EEXIST) return refuse(link, errno);
  const fs::path before = fs::read_symlink(link, error);
  if (error) {
    return fail(ErrorKind::io,
                fmt::format("cannot make {}: something is there that is no link", link.string()));
  }
  if (before == target) return std::optional<std::string>();
  if (move == MoveLabel::no) {
    return fail(ErrorKind::usage,
                fmt::format("the recording '{}' leads to run {}; --force moves it to run {}", label,
                            printable_line(before.filename().string()), run_id));
  }
  const fs::path fresh = folder / fmt::format(".{}.{}", label, ::getpid());
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0) return refuse(fresh, errno);
  if (::rename(fresh.c_str(), link.c_str()) != 0) {
    const int why = errno;
    ::unlink(fresh.c_str());
    return refuse(link, why);
  }
  return std::optional<std::string>(before.filename());
}

}  // namespace ffci
