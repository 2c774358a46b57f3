#include "store/unpack_files.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <optional>

#include "base/file.hpp"

using namespace ffci;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512);
  return text;
}

struct Entry {
  std::string name;
  std::string data = {};
  char type = '0';
  std::string link = {};
  unsigned mode = 0644;
  std::optional<std::uint64_t> size = {};  // that the header tells, if not the data's
};

// A header, and the data behind it.
std::string raw(const Entry& entry) {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) {
    std::memcpy(header.data() + at, text.data(), std::min(text.size(), header.size() - at));
  };
  const auto octal = [](std::uint64_t number, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(number));
    return std::string(text);
  };
  put(0, std::string_view(entry.name).substr(0, 100));
  put(100, octal(entry.mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  const std::uint64_t size = entry.size.value_or(entry.data.size());
  if (size < 1ULL << 33) {
    put(124, octal(size, 11));
  } else {
    header[124] = '\x80';
    for (int i = 0; i < 8; ++i)
      header[135 - static_cast<std::size_t>(i)] = static_cast<char>(size >> (8 * i));
  }
  put(136, octal(0, 11));
  header[156] = entry.type;
  put(157, std::string_view(entry.link).substr(0, 100));
  put(257, std::string_view("ustar\00000", 8));
  put(329, "0000001");
  put(337, "0000001");
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header)
    sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + '\0');
  return header + padded(entry.data);
}

std::string pax_attribute(const std::string& name, const std::string& value) {
  const std::size_t rest = name.size() + value.size() + 3;
  std::size_t length = rest;
  while (length != rest + std::to_string(length).size())
    length = rest + std::to_string(length).size();
  return std::to_string(length) + " " + name + "=" + value + "\n";
}

std::string pax(const std::string& attributes) {
  return raw({.name = "pax", .data = attributes, .type = 'x'});
}

std::string gnu_long_name(const std::string& name) {
  return raw({.name = "././@LongLink", .data = name + '\0', .type = 'L'});
}

const std::string end_of_tar(1024, '\0');

std::string tar_of(const std::vector<Entry>& entries) {
  std::string tar;
  for (const Entry& entry : entries)
    tar += raw(entry);
  return tar + end_of_tar;
}

// Type, mode and size of everything below `folder`, links not followed.
std::map<std::string, std::string> listing(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat status;
    REQUIRE(::lstat(entry.path().c_str(), &status) == 0);
    const bool is_file = S_ISREG(status.st_mode);
    char text[64];
    std::snprintf(text, sizeof text, "%o %lld", status.st_mode,
                  is_file ? static_cast<long long>(status.st_size) : 0);
    all[entry.path().lexically_relative(folder)] = text;
  }
  return all;
}

constexpr UnpackLimits ample{1 << 20, 1000};

// An attempt's folder between others. Whatever is unpacked changes nothing outside of its `files`.
class Place {
 public:
  Place() {
    ::umask(022);
    std::string made = fs::temp_directory_path() / "ff-ci-unpack-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    top_ = made;
    fs::create_directories(top_ / "tests/t/1");
    fs::create_directories(top_ / "outside");
    for (const char* name : {"outside/secret", "tests/t/1/stdout", "tests/t/secret"})
      std::ofstream(top_ / name) << "as it was";
  }
  ~Place() { fs::remove_all(top_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  [[nodiscard]] fs::path top() const { return top_; }
  [[nodiscard]] fs::path archive() const { return top_ / "tests/t/1/files.tar"; }
  [[nodiscard]] fs::path files() const { return top_ / "tests/t/1/files"; }

  void write_archive(std::string_view tar) const {
    std::ofstream(archive(), std::ios::binary | std::ios::trunc) << tar;
  }

  Unpacked unpack(const UnpackLimits& limits = ample) const {
    auto before = listing_outside();
    const Result<Unpacked> unpacked = unpack_files(archive(), files(), limits);
    REQUIRE(unpacked);
    CHECK(listing_outside() == before);
    for (const auto& entry : listing(files())) {
      const std::string &path = entry.first, &status = entry.second;
      CAPTURE(path);
      const bool is_plain = status.starts_with("100644 ") || status.starts_with("40755 ");
      CHECK(is_plain);
      const bool told = std::binary_search(unpacked->files.begin(), unpacked->files.end(), path);
      CHECK(told == status.starts_with("100644 "));
      CHECK(path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "._+=,[]-%/") == std::string::npos);
    }
    return *unpacked;
  }
  Unpacked unpack(std::string_view tar, const UnpackLimits& limits = ample) const {
    write_archive(tar);
    return unpack(limits);
  }

  [[nodiscard]] std::string content(const std::string& path) const {
    return read_file(files() / path, 1 << 20).value();
  }

 private:
  [[nodiscard]] std::map<std::string, std::string> listing_outside() const {
    auto all = listing(top_);
    std::erase_if(all, [](const auto& entry) {
      return entry.first == "tests/t/1/files" || entry.first.starts_with("tests/t/1/files/");
    });
    return all;
  }

  fs::path top_;
};

}  // namespace

TEST_CASE("what tar writes comes back byte by byte, in each of its formats") {
  for (const std::string format : {"v7", "ustar", "pax", "gnu", "gnu -S", "pax -S"}) {
    CAPTURE(format);
    const Place place;
    const fs::path from = place.top() / "outside";
    fs::create_directories(from / "results/empty");
    std::string all;
    for (int i = 0; i < 100'000; ++i)
      all += static_cast<char>(i * 7);
    std::ofstream(from / "results/all.bin") << all;
    std::ofstream(from / "results/with holes") << all;
    fs::resize_file(from / "results/with holes", 500'000);
    std::ofstream(from / "results/nothing");
    const std::string command = "tar -C " + from.string() + " --format=" + format + " -cf " +
                                place.archive().string() + " ./results results/all.bin secret";
    REQUIRE(::system(command.c_str()) == 0);
    const Unpacked unpacked = place.unpack();
    CHECK(unpacked.files ==
          Names{"results/all.bin", "results/nothing", "results/with%20holes", "secret"});
    CHECK(unpacked.problem.empty());
    CHECK(place.content("results/all.bin") == all);
    CHECK(place.content("results/with%20holes") == all + std::string(500'000 - all.size(), '\0'));
    CHECK(place.content("results/nothing").empty());
    CHECK(fs::is_directory(place.files() / "results/empty"));
  }
}

TEST_CASE("nothing leads out of the folder") {
  const Place place;
  const std::string top = place.top();
  const Unpacked unpacked = place.unpack(tar_of({{.name = top + "/outside/secret", .data = "x"},
                                                 {.name = "../../secret", .data = "x"},
                                                 {.name = "a/../../stdout", .data = "x"},
                                                 {.name = "a/..", .type = '5'},
                                                 {.name = "..", .type = '5'},
                                                 {.name = "/", .type = '5'},
                                                 {.name = "../stdout", .data = "x"},
                                                 {.name = "./", .type = '5'},
                                                 {.name = "./b//./c", .data = "fine"}}));
  CHECK(unpacked.files == Names{"b/c"});
  CHECK(unpacked.problem == "7 paths out of the folder were left out");
  CHECK(place.content("b/c") == "fine");
}

TEST_CASE("a long name or a pax attribute leads out no more than a short one") {
  const Place place;
  const std::string up = "../../../../../../../.." + place.top().string() + "/outside/secret";
  const Unpacked unpacked = place.unpack(
      gnu_long_name(up) + raw({.name = "a", .data = "x"}) + pax(pax_attribute("path", up)) +
      raw({.name = "b", .data = "x"}) + pax(pax_attribute("GNU.sparse.name", up)) +
      raw({.name = "c", .data = "x"}) + end_of_tar);
  CHECK(unpacked.files.empty());
  CHECK(unpacked.problem == "3 paths out of the folder were left out");
}

TEST_CASE("links are never made, and nothing goes through one") {
  const Place place;
  const std::string outside = place.top() / "outside";
  const Unpacked unpacked =
      place.unpack(tar_of({{.name = "dir", .type = '2', .link = outside},
                           {.name = "dir/secret", .data = "x"},
                           {.name = "file", .type = '2', .link = outside + "/secret"},
                           {.name = "file", .data = "y"},
                           {.name = "hard", .type = '1', .link = outside + "/secret"},
                           {.name = "hard", .data = "z"},
                           {.name = "up", .type = '1', .link = "../stdout"},
                           {.name = "../stdout", .type = '1', .link = "../stdout"},
                           {.name = "stdout", .type = '2', .link = "../stdout"}}) +
                   end_of_tar);
  CHECK(unpacked.files == Names{"dir/secret", "file", "hard"});
  CHECK(unpacked.problem == "3 symlinks and 3 hard links were left out");
  CHECK(place.content("dir/secret") == "x");
}

TEST_CASE("a link that was in the folder before is not followed") {
  const Place place;
  fs::create_directories(place.files());
  fs::create_directory_symlink(place.top() / "outside", place.files() / "dir");
  fs::create_symlink(place.top() / "outside/secret", place.files() / "file");
  place.write_archive(tar_of({{.name = "dir/secret", .data = "x"},
                              {.name = "dir", .type = '5'},
                              {.name = "file", .data = "x"}}));
  const auto before = listing(place.top());
  const auto unpacked = unpack_files(place.archive(), place.files(), ample);
  REQUIRE(unpacked);
  CHECK(unpacked->files.empty());
  CHECK(unpacked->problem == "3 entries whose name was taken were left out");
  CHECK(listing(place.top()) == before);
}

TEST_CASE("a folder that is a link is refused") {
  const Place place;
  fs::create_directory_symlink(place.top() / "outside", place.files());
  place.write_archive(tar_of({{.name = "secret", .data = "x"}}));
  const auto unpacked = unpack_files(place.archive(), place.files(), ample);
  REQUIRE_FALSE(unpacked);
  CHECK(unpacked.error().kind == ErrorKind::io);
  CHECK(read_file(place.top() / "outside/secret", 100).value() == "as it was");
}

TEST_CASE("devices, FIFOs and what nobody knows are left out, and counted") {
  const Place place;
  const Unpacked unpacked = place.unpack(tar_of({{.name = "null", .type = '3'},
                                                 {.name = "sda", .type = '4'},
                                                 {.name = "pipe", .type = '6'},
                                                 {.name = "log", .data = "x"}}));
  CHECK(unpacked.files == Names{"log"});
  CHECK(unpacked.problem == "2 devices and 1 FIFO were left out");
}

TEST_CASE("modes and owners of the archive are not taken over") {
  const Place place;
  place.unpack(tar_of({{.name = "suid", .data = "x", .mode = 06755},
                       {.name = "secret", .data = "x", .mode = 0},
                       {.name = "dir", .type = '5', .mode = 07000},
                       {.name = "dir/a", .data = "x", .mode = 0777}}));
  struct stat status;
  for (const char* name : {"suid", "secret", "dir/a"}) {
    REQUIRE(::stat((place.files() / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0644);
    CHECK(status.st_uid == ::geteuid());
  }
  REQUIRE(::stat((place.files() / "dir").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);
}

TEST_CASE("names are kept as plain ASCII, and different ones stay different") {
  const Place place;
  const std::string long_name(300, 'n');
  const Unpacked unpacked =
      place.unpack(tar_of({{.name = "new\nline"},
                           {.name = "\x1B[2Jescape"},
                           {.name = "\xFF\xFE"},
                           {.name = ".htaccess"},
                           {.name = "a:b*?"},
                           {.name = "...", .data = "x"},
                           {.name = "per%0Acent"},
                           {.name = "per\ncent"},
                           {.name = "<img src=x>"},
                           {.name = "-rf"}})
                       .substr(0, 11 * 512) +
                   pax(pax_attribute("path", "\xC3\xA4/\xC3\x28")) + raw({.name = "short"}) +
                   gnu_long_name(long_name + "1/x") + raw({.name = "short"}) +
                   gnu_long_name(long_name + "2/x") + raw({.name = "short"}) + end_of_tar);
  CHECK(unpacked.problem.empty());
  Names short_names = unpacked.files, long_names;
  std::erase_if(short_names, [&](const std::string& name) {
    const bool is_long = name.starts_with("nnn");
    if (is_long) long_names.push_back(name);
    return is_long;
  });
  CHECK(short_names == Names{"%1B[2Jescape", "%2E..", "%2Ehtaccess", "%3Cimg%20src=x%3E",
                             "%C3%A4/%C3%28", "%FF%FE", "-rf", "a%3Ab%2A%3F", "new%0Aline",
                             "per%0Acent", "per%250Acent"});
  REQUIRE(long_names.size() == 2);
  CHECK(long_names[0] != long_names[1]);
  CHECK(long_names[0].size() <= 202);
}

TEST_CASE("paths that are too long or too deep are left out") {
  const Place place;
  std::string deep, longer = std::string(190, 'a');
  for (int i = 0; i < 500; ++i)
    deep += "d/";
  for (int i = 0; i < 5; ++i)
    longer += "/" + std::string(190, 'a');
  std::string deepest_allowed;
  for (int i = 0; i < 31; ++i)
    deepest_allowed += "e/";
  const Unpacked unpacked =
      place.unpack(gnu_long_name(deep + "x") + raw({.name = "short"}) + gnu_long_name(longer) +
                   raw({.name = "short"}) + raw({.name = deepest_allowed + "x"}) +
                   raw({.name = deepest_allowed + "y/x"}) + end_of_tar);
  CHECK(unpacked.files == Names{deepest_allowed + "x"});
  CHECK(unpacked.problem == "3 paths that are too long were left out");
}

TEST_CASE("the first of a name is kept, whatever comes over it") {
  const Place place;
  const Unpacked unpacked = place.unpack(tar_of({{.name = "a", .data = "first"},
                                                 {.name = "a", .data = "second"},
                                                 {.name = "a", .type = '5'},
                                                 {.name = "a/b", .data = "below a file"},
                                                 {.name = "c/d", .data = "first"},
                                                 {.name = "c", .data = "over a directory"},
                                                 {.name = "c/", .type = '5'},
                                                 {.name = ".", .data = "over the folder"}}));
  CHECK(unpacked.files == Names{"a", "c/d"});
  CHECK(unpacked.problem == "5 entries whose name was taken were left out");
  CHECK(place.content("a") == "first");
  CHECK(place.content("c/d") == "first");
}

TEST_CASE("a file that does not fit is left out, and those that do are kept") {
  const Place place;
  const Unpacked unpacked = place.unpack(tar_of({{.name = "a", .data = std::string(600, 'a')},
                                                 {.name = "b", .data = std::string(600, 'b')},
                                                 {.name = "c", .data = std::string(400, 'c')},
                                                 {.name = "d", .data = "d"},
                                                 {.name = "empty"}}),
                                         {1000, 100});
  CHECK(unpacked.files == Names{"a", "c", "empty"});
  CHECK(unpacked.problem == "2 files beyond the limit of 1000 B in all were left out");
}

TEST_CASE("a limit of nothing keeps nothing") {
  const Place place;
  const std::string tar = tar_of({{.name = "a", .data = "a"}});
  CHECK(place.unpack(tar, {0, 100}).problem ==
        "1 file beyond the limit of 0 B in all was left out");
  CHECK(place.unpack(tar, {100, 0}).problem == "what came after the first 0 entries was left out");
  CHECK(listing(place.files()).empty());
}

TEST_CASE("a size that is not there takes no room") {
  const Place place;
  constexpr std::uint64_t terabyte = 1ULL << 40;
  SUBCASE("beyond the limit") {
    const Unpacked unpacked = place.unpack(raw({.name = "before", .data = "x"}) +
                                           raw({.name = "huge", .size = terabyte}));
    CHECK(unpacked.files == Names{"before"});
    CHECK(unpacked.problem ==
          "1 file beyond the limit of 1.0 MiB in all was left out; the archive breaks off");
  }
  SUBCASE("within the limit") {
    const Unpacked unpacked =
        place.unpack(raw({.name = "before", .data = "x"}) + raw({.name = "huge", .size = terabyte}),
                     {2 * terabyte, 100});
    CHECK(unpacked.files == Names{"before"});
    CHECK(unpacked.problem == "the archive breaks off");
  }
  SUBCASE("larger than any") {
    for (const std::uint64_t size : {~0ULL, ~0ULL >> 1, 1ULL << 63}) {
      const Unpacked unpacked =
          place.unpack(raw({.name = "huge", .size = size}) + end_of_tar, {~0ULL, 100});
      CHECK(unpacked.files.empty());
      CHECK_FALSE(unpacked.problem.empty());
    }
  }
}

std::string sparse_10(const std::string& name, const std::string& size, const std::string& map,
                      const std::string& data) {
  return pax(pax_attribute("GNU.sparse.major", "1") + pax_attribute("GNU.sparse.minor", "0") +
             pax_attribute("GNU.sparse.name", name) + pax_attribute("GNU.sparse.realsize", size)) +
         raw({.name = "GNUSparseFile.0/x", .data = padded(map) + data});
}

TEST_CASE("holes count as if they were written, and stay holes") {
  const Place place;
  SUBCASE("1 TB of nothing is over the limit") {
    const Unpacked unpacked = place.unpack(sparse_10("bomb", "1099511627776", "0\n", "") +
                                           raw({.name = "after", .data = "x"}) + end_of_tar);
    CHECK(unpacked.files == Names{"after"});
    CHECK(unpacked.problem == "1 file beyond the limit of 1.0 MiB in all was left out");
  }
  SUBCASE("a hole within the limit is kept, and used it up") {
    const Unpacked unpacked = place.unpack(sparse_10("holes", "1048576", "1\n1048573\n3\n", "end") +
                                           raw({.name = "after", .data = "x"}) + end_of_tar);
    CHECK(unpacked.files == Names{"holes"});
    CHECK(unpacked.problem == "1 file beyond the limit of 1.0 MiB in all was left out");
    CHECK(place.content("holes") == std::string(1048573, '\0') + "end");
    struct stat status;
    REQUIRE(::stat((place.files() / "holes").c_str(), &status) == 0);
    CHECK(status.st_blocks < 1024);
  }
  SUBCASE("data beyond the size that was told is damage") {
    const Unpacked unpacked =
        place.unpack(raw({.name = "before", .data = "x"}) +
                     sparse_10("liar", "10", "1\n1099511627776\n3\n", "end") + end_of_tar);
    CHECK(unpacked.files == Names{"before"});
    CHECK(unpacked.problem == "the archive is damaged, and what came after was left out");
  }
}

TEST_CASE("a sparse map without end is not read into memory") {
  const Place place;
  std::string map = "100000000\n";
  while (map.size() < 8'000'000)
    map += "0\n0\n";
  const Unpacked unpacked =
      place.unpack(raw({.name = "before", .data = "x"}) + sparse_10("map", "10", map, "") +
                   raw({.name = "after"}) + end_of_tar);
  CHECK(unpacked.files == Names{"before"});
  CHECK(unpacked.problem == "the archive is damaged, and what came after was left out");
}

TEST_CASE("special headers without end, or of any size, end it") {
  const Place place;
  std::string tar = raw({.name = "before", .data = "x"});
  SUBCASE("a pax header of 900 KiB") {
    tar += pax(pax_attribute("SCHILY.xattr.user.x", std::string(900 << 10, 'x')));
  }
  SUBCASE("an ACL of 900 KiB") {
    std::string acl;
    for (int i = 0; acl.size() < 900 << 10; ++i)
      acl += "user:u:rwx:" + std::to_string(i) + ",";
    tar += pax(pax_attribute("SCHILY.acl.access", acl));
  }
  SUBCASE("a pax header that is said to have a terabyte") {
    tar += raw({.name = "pax", .type = 'x', .size = 1ULL << 40});
  }
  SUBCASE("long names of long names") {
    for (int i = 0; i < 5000; ++i)
      tar += gnu_long_name("name");
  }
  SUBCASE("volume labels") {
    for (int i = 0; i < 5000; ++i)
      tar += raw({.name = "label", .type = 'V'});
  }
  SUBCASE("old sparse maps that go on and on") {
    std::string header = raw({.name = "sparse", .type = 'S'});
    header.replace(257, 8, "ustar  ", 8);
    header[482] = 1;  // isextended
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 512; ++i)
      sum += static_cast<unsigned char>(i >= 148 && i < 156 ? ' ' : header[i]);
    std::snprintf(header.data() + 148, 8, "%06llo", static_cast<unsigned long long>(sum));
    std::string extension(512, '\0');
    for (std::size_t at = 0; at < 504; at += 24)
      extension.replace(at, 24, "00000000000 00000000000 ");
    extension[504] = 1;
    tar += header;
    for (int i = 0; i < 2000; ++i)
      tar += extension;
  }
  const Unpacked unpacked = place.unpack(tar + raw({.name = "after", .data = "x"}) + end_of_tar);
  CHECK(std::binary_search(unpacked.files.begin(), unpacked.files.end(), "before"));
  CHECK_FALSE(unpacked.problem.empty());
}

TEST_CASE("entries are counted, whatever they are, and so are the folders made for them") {
  const Place place;
  std::string tar;
  SUBCASE("files") {
    for (int i = 0; i < 20'000; ++i)
      tar += raw({.name = std::to_string(i)});
  }
  SUBCASE("directories") {
    for (int i = 0; i < 20'000; ++i)
      tar += raw({.name = std::to_string(i), .type = '5'});
  }
  SUBCASE("links") {
    for (int i = 0; i < 20'000; ++i)
      tar += raw({.name = std::to_string(i), .type = '2', .link = "x"});
  }
  SUBCASE("folders of files") {
    for (int i = 0; i < 2'000; ++i)
      tar += raw({.name = std::to_string(i) + "/a/b/c/d/e/f/g/h/i/j/k"});
  }
  const Unpacked unpacked = place.unpack(tar + end_of_tar, {1000, 50});
  CHECK(unpacked.problem.ends_with("what came after the first 50 entries was left out"));
  CHECK(unpacked.files.size() <= 50);
  CHECK(listing(place.files()).size() <= 50 + 32);
}

TEST_CASE("an archive cut off anywhere gives what came whole before, and says so") {
  const Place place;
  const std::string a(700, 'a'), b(1024, '\0');
  const std::string tar = tar_of(
      {{.name = "dir", .type = '5'}, {.name = "dir/a", .data = a}, {.name = "b", .data = b}});
  const std::size_t whole = tar.size() - 1024, a_ends = 512 + 512 + 1024;
  for (std::size_t length = 0; length < tar.size(); length += 64) {
    CAPTURE(length);
    const Unpacked unpacked = place.unpack(tar.substr(0, length));
    if (length >= whole + 512) {
      CHECK(unpacked.problem.empty());  // one block of zeros is an end, too
    } else {
      CHECK(unpacked.problem ==
            (length < 512 ? "the archive is not a tar" : "the archive breaks off"));
    }
    Names expected;
    if (length >= whole) expected.push_back("b");
    if (length >= a_ends) expected.push_back("dir/a");
    CHECK(unpacked.files == expected);
    if (length >= a_ends) CHECK(place.content("dir/a") == a);
    if (length >= whole) CHECK(place.content("b") == b);
    fs::remove_all(place.files());
  }
}

TEST_CASE("after damage in the middle, what came whole before is kept") {
  const Place place;
  std::string tar = tar_of({{.name = "a", .data = "a"}, {.name = "b", .data = "b"}});
  tar.replace(1024, 10, "##########");
  const Unpacked unpacked = place.unpack(tar);
  CHECK(unpacked.files == Names{"a"});
  CHECK(unpacked.problem == "the archive is damaged, and what came after was left out");
}

TEST_CASE("what is not a tar is told from one that is empty") {
  const Place place;
  CHECK(place.unpack(end_of_tar).problem.empty());
  CHECK(place.unpack(std::string(10240, '\0')).problem.empty());
  for (const std::string& other :
       {std::string(), std::string("x"), std::string(5000, 'x'), std::string("PK\3\4"),
        std::string("\x1F\x8B\x08\0\0\0\0\0\0\3", 10) + std::string(2000, 'z'),
        std::string("tar: not found\n")}) {
    const Unpacked unpacked = place.unpack(other);
    CHECK(unpacked.files.empty());
    CHECK(unpacked.problem == "the archive is not a tar");
  }
}

TEST_CASE("compressed archives are not opened, whatever they would become") {
  const Place place;
  for (const std::string program : {"gzip", "xz", "bzip2"}) {
    if (::system(("command -v " + program + " >/dev/null").c_str()) != 0) continue;
    place.write_archive(tar_of({{.name = "bomb", .data = std::string(100'000, 'x')}}));
    const std::string path = place.archive();
    REQUIRE(::system((program + " -c " + path + " >" + path + ".z && mv " + path + ".z " + path)
                         .c_str()) == 0);
    const Unpacked unpacked = place.unpack();
    CHECK(unpacked.files.empty());
    CHECK(unpacked.problem == "the archive is not a tar");
  }
}

TEST_CASE("what was in the folder before stays as it was") {
  const Place place;
  fs::create_directories(place.files());
  std::ofstream(place.files() / "a") << "before";
  place.write_archive(tar_of({{.name = "a", .data = "after"}, {.name = "b", .data = "b"}}));
  const auto unpacked = unpack_files(place.archive(), place.files(), ample);
  REQUIRE(unpacked);
  CHECK(unpacked->files == Names{"b"});
  CHECK(place.content("a") == "before");
}

namespace {

// Runs `check` where `folder` is a disk of 256 KiB. None: no such disk can be made here.
std::optional<bool> on_a_small_disk(const fs::path& folder, const std::function<bool()>& check) {
  constexpr int no_disk = 77;
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) ::_exit(no_disk);
    if (user != 0) {
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
      std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
    }
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", folder.c_str(), "tmpfs", 0, "size=256k") != 0) {
      ::_exit(no_disk);
    }
    ::_exit(check() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_disk) return std::nullopt;
  return WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a full disk is our trouble, and what was complete by then stays") {
  const Place place;
  fs::create_directories(place.files());
  place.write_archive(tar_of({{.name = "a", .data = std::string(100'000, 'a')},
                              {.name = "b", .data = std::string(200'000, 'b')},
                              {.name = "c", .data = "c"}}));
  const auto fine = on_a_small_disk(place.files(), [&] {
    const auto unpacked = unpack_files(place.archive(), place.files(), ample);
    return !unpacked && unpacked.error().kind == ErrorKind::io &&
           unpacked.error().message.ends_with("No space left on device") &&
           fs::file_size(place.files() / "a") == 100'000 && !fs::exists(place.files() / "b");
  });
  if (fine) {
    CHECK(*fine);
  } else {
    MESSAGE("not checked: no small disk can be mounted here");
  }
}

TEST_CASE("trouble on our side is an error, not a problem of the archive") {
  const Place place;
  CHECK(unpack_files(place.archive(), place.files(), ample).error().kind == ErrorKind::io);
  CHECK(unpack_files(place.top(), place.files(), ample).error().kind == ErrorKind::io);
  place.write_archive(tar_of({{.name = "a", .data = "a"}}));
  const auto no_parent = unpack_files(place.archive(), place.top() / "none/files", ample);
  REQUIRE_FALSE(no_parent);
  CHECK(no_parent.error().kind == ErrorKind::io);
  CHECK(no_parent.error().message ==
        "cannot make " + (place.top() / "none/files").string() + ": No such file or directory");
  std::ofstream(place.files()) << "a file";
  CHECK(unpack_files(place.archive(), place.files(), ample).error().kind == ErrorKind::io);
}
