#include "spec/complaints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "base/text.hpp"

namespace ffci::spec {

std::string to_string(const Location& location) {
  if (location.origin->kind == SpecComplaint::Origin::command_line) {
    return location.origin->shown_name;
  }
  return fmt::format("{}:{}:{}", location.origin->shown_name, location.line, location.column);
}

void Complaints::add(const Location& at, std::string_view what) {
  complaints_.push_back({at, printable_line(fmt::format("{}: {}", to_string(at), what), 1000)});
}

std::vector<SpecComplaint> Complaints::sorted() const {
  std::vector<const Complaint*> order;
  for (const Complaint& complaint : complaints_)
    order.push_back(&complaint);
  std::stable_sort(order.begin(), order.end(), [](const Complaint* a, const Complaint* b) {
    return std::tuple(a->at.origin->kind, a->at.line, a->at.column) <
           std::tuple(b->at.origin->kind, b->at.line, b->at.column);
  });
  std::vector<SpecComplaint> sorted;
  std::unordered_set<std::string_view> seen;
  for (const Complaint* complaint : order) {
    if (!seen.insert(complaint->text).second) continue;
    sorted.push_back({complaint->at.origin->kind, complaint->text});
  }
  return sorted;
}

}  // namespace ffci::spec
