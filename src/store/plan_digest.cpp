#include "store/plan_digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <iterator>

namespace ffci {
namespace {

// With its length before it, so that no two lists of texts read the same.
void add(std::string& to, std::string_view text) {
  fmt::format_to(std::back_inserter(to), "{}:{}", text.size(), text);
}

}  // namespace

std::string plan_digest(const std::vector<PlannedTest>& tests, int shards) {
  std::string plan = fmt::format("ff-ci plan 1, {} shards\n", shards);
  for (const PlannedTest& test : tests) {
    add(plan, test.id.suite);
    add(plan, test.id.configuration);
    add(plan, test.id.name);
    fmt::format_to(std::back_inserter(plan), " {} {}\n", test.id.iteration, test.shard);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ::EVP_Digest(plan.data(), plan.size(), digest.data(), &size, ::EVP_sha256(), nullptr);
  std::string text = "sha256:";
  for (unsigned i = 0; i < size; ++i)
    fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
  return text;
}

}  // namespace ffci
