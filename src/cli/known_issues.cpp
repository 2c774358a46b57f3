#include "cli/known_issues.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file.hpp"
#include "spec/load_known_issues.hpp"

namespace ffci {
namespace {

constexpr std::uint64_t largest_file = 16ULL << 20;

}  // namespace

Result<std::vector<KnownIssue>> read_known_issues(const std::string& path) {
  if (path.empty()) return {};
  const auto text = read_file(path, largest_file);
  if (!text) return tl::unexpected(text.error());
  auto issues = load_known_issues(*text, path);
  if (issues) return std::move(*issues);
  std::vector<std::string> lines;
  for (const SpecComplaint& complaint : issues.error())
    lines.push_back(complaint.text);
  return fail(ErrorKind::bad_spec, fmt::format("{}", fmt::join(lines, "\n")));
}

}  // namespace ffci
