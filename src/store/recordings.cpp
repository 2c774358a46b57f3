#include "store/recordings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "base/text.hpp"

namespace ffci {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t longest_label = 200;
constexpr std::string_view digits = "0123456789";

// "20260131T120000Z", perhaps with "-2": what a run is called, or will be.
bool looks_like_run_id(std::string_view text) {
  constexpr std::string_view shape = "ddddddddTddddddZ";
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits =
        shape[i] == 'd' ? digits.find(text[i]) != std::string_view::npos : text[i] == shape[i];
    if (!fits) return false;
  }
  const std::string_view rest = text.substr(shape.size());
  return rest.empty() ||
         (rest[0] == '-' && rest.find_first_not_of(digits, 1) == std::string_view::npos);
}

tl::unexpected<Error> refuse(const fs::path& path, int error) {
  return fail(ErrorKind::io,
              fmt::format("cannot make {}: {}", path.string(), std::strerror(error)));
}

}  // namespace

std::vector<Recording> recordings(const fs::path& results) {
  std::vector<Recording> found;
  std::error_code error;
  // As long as the folder can be read; entries that are no links are not ours.
  for (fs::directory_iterator at(results / "recordings", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code no_link;
    const fs::path target = fs::read_symlink(at->path(), no_link);
    const std::string label = at->path().filename();
    if (!no_link && check_label(label)) found.push_back({label, target.filename()});
  }
  std::sort(found.begin(), found.end(), [](const Recording& a, const Recording& b) {
    return std::tie(b.run_id, a.label) < std::tie(a.run_id, b.label);
  });
  return found;
}

Result<void> check_label(std::string_view label) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
  const auto complain = [&](std::string_view why) {
    return fail(ErrorKind::usage, fmt::format("'{}' can't be the label of a recording: {}",
                                              printable_line(label, 60), why));
  };
  if (label.empty()) return complain("it is empty");
  if (label.size() > longest_label) return complain("it has more than 200 characters");
  if (label.find_first_not_of(plain) != std::string_view::npos)
    return complain("expected letters, digits, '.', '_', '+' and '-'");
  if (label[0] == '-' || label[0] == '.') return complain("it begins with '-' or '.'");
  if (label == "latest" || label == "history") return complain("that word means something else");
  if (label.find_first_not_of(digits) == std::string_view::npos)
    return complain("it has nothing but digits");
  return {};
}

Result<std::optional<std::string>> record(const fs::path& results, const std::string& run_id,
                                          const std::string& label, MoveLabel move) {
  if (const auto fits = check_label(label); !fits) return tl::unexpected(fits.error());
  std::error_code error;
  const bool names_a_run = looks_like_run_id(label) || fs::exists(results / "runs" / label, error);
  if (names_a_run && label != run_id) {
    return fail(
        ErrorKind::usage,
        fmt::format("'{}' can't be the label of run {}: it is the id of a run", label, run_id));
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
