#include "model/test_id.hpp"

#include <fmt/format.h>

namespace ffci {

std::string name_with_iteration(const TestId& id) {
  return id.iteration == 1 ? id.name : fmt::format("{} #{}", id.name, id.iteration);
}

std::string to_string(const TestId& id) {
  if (id.configuration.empty()) return id.suite + "/" + name_with_iteration(id);
  return id.suite + "@" + id.configuration + "/" + name_with_iteration(id);
}

TestId without_iteration(TestId id) {
  id.iteration = 1;
  return id;
}

}  // namespace ffci
