// Signatures with the tests that met them: each signature once, in the order they were added.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/judgement.hpp"

namespace ffci {

class SignatureList {
 public:
  void add(const NewSignature& signature) {
    const auto [at, added] = index_.try_emplace(signature.signature, all_.size());
    if (added) {
      all_.push_back(signature);
    } else {
      std::vector<TestId>& tests = all_[at->second].tests;
      tests.insert(tests.end(), signature.tests.begin(), signature.tests.end());
    }
  }
  [[nodiscard]] std::vector<NewSignature> take() { return std::move(all_); }

 private:
  std::vector<NewSignature> all_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace ffci
