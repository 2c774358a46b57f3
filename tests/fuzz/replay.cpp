// Runs a fuzzer's function without libFuzzer: over each file that is named, or lies in a folder
// that is named, as it is and with random changes from a seed that it prints. An input that aborts
// is in the file printed last.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int changed_per_file = 100;
constexpr std::size_t most_bytes = 16 * 1024;  // of a file, so that the test stays short

void run(const std::string& input) {
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// One of: another byte, a part removed, a part repeated elsewhere.
void change(std::string& input, std::minstd_rand& random) {
  if (input.empty()) return;
  const std::size_t place = random() % input.size();
  const std::string part = input.substr(place, random() % 40);
  switch (random() % 3) {
    case 0:
      input[place] = static_cast<char>(random());
      break;
    case 1:
      input.erase(place, part.size());
      break;
    default:
      input.insert(random() % input.size(), part);
      break;
  }
}

void run_file(const std::filesystem::path& path, std::minstd_rand& random) {
  std::ifstream file(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  run(whole);
  for (int i = 0; i < changed_per_file; ++i) {
    std::string input = whole.substr(0, most_bytes);
    for (std::size_t changes = 1 + random() % 8; changes > 0; --changes)
      change(input, random);
    // The first bytes choose how the rest is fed.
    run(std::string{static_cast<char>(random()), static_cast<char>(random())} + input);
  }
}

// In an order that is the same everywhere, so that the seed says all.
std::vector<std::filesystem::path> files_of(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> files;
  for (const std::string& argument : arguments) {
    if (!std::filesystem::is_directory(argument)) {
      files.emplace_back(argument);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argument)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

// replay [--seed N] FILE|FOLDER...
int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  unsigned seed = std::random_device{}();
  if (arguments.size() >= 2 && arguments[0] == "--seed") {
    seed = static_cast<unsigned>(std::stoul(arguments[1]));
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  std::printf("--seed %u\n", seed);
  std::fflush(stdout);
  std::minstd_rand random(seed);
  for (const std::filesystem::path& path : files_of(arguments)) {
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    run_file(path, random);
  }
}
