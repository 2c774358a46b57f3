// A directory that looks like fstests, for one test.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace ffci {

// What would give every tree another configuration.
inline void forget_environment() {
  ::unsetenv("HOST_OPTIONS");
  ::unsetenv("HOST_CONFIG_DIR");
}

class TreeFolder {
 public:
  TreeFolder() {
    forget_environment();
    std::string name = (std::filesystem::temp_directory_path() / "ffci-fstests-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    file("check", "#!/bin/bash\n");
    std::filesystem::create_directory(path_ / "tests");
  }
  TreeFolder(const TreeFolder&) = delete;
  TreeFolder& operator=(const TreeFolder&) = delete;
  ~TreeFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  TreeFolder& file(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this;
  }
  TreeFolder& directory(const std::string& name) {
    std::filesystem::create_directories(path_ / name);
    return *this;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace ffci
