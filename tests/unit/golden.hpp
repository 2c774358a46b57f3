// Golden files: what a report or a journal must be, byte for byte. FFCI_UPDATE_GOLDEN=1 writes them instead
// (build target update-golden).
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file.hpp"

namespace ffci::test {

inline void check_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(FFCI_TEST_DATA) / "golden" / name;
  if (std::getenv("FFCI_UPDATE_GOLDEN") != nullptr) {
    REQUIRE(write_file(path, text).has_value());
    return;
  }
  const Result<std::string> expected = read_file(path, 10'000'000);
  REQUIRE(expected.has_value());
  CHECK(*expected == text);
}

}  // namespace ffci::test
