#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/prune_runs.hpp"

using namespace ffci;
namespace fs = std::filesystem;

namespace {

const WallTime now = *parse_rfc3339("2026-01-31T12:00:00.000Z");

struct Results {
  Results() {
    std::string made = fs::temp_directory_path() / "ff-ci-prune-XXXXXX";
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    path = made;
  }
  ~Results() { fs::remove_all(path); }

  // The names that are left.
  [[nodiscard]] std::vector<std::string> runs() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path / "runs"))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  [[nodiscard]] fs::path run(const std::string& id, bool ended = true) const {
    const fs::path folder = path / "runs" / id;
    fs::create_directories(folder / "tests/s/t/1");
    std::ofstream journal(folder / "journal.jsonl");
    journal << std::string(10'000, 'x') << "\n";
    if (ended)
      journal << R"({"sequence":2,"time":1.0,"event":"run_finished","how":"completed"})"
              << "\n";
    std::ofstream(folder / "tests/s/t/1/stdout") << "text";
    return folder;
  }
  [[nodiscard]] std::vector<std::string> prune(KeepSpec keep,
                                               const std::string& current = "") const {
    const auto pruned = prune_runs(path, keep, current, now);
    REQUIRE_MESSAGE(pruned, (pruned ? "" : pruned.error().message));
    CHECK(pruned->problems.empty());
    return pruned->removed;
  }

  fs::path path;
};

const std::string day_1 = "20260101T000000Z", day_2 = "20260102T000000Z",
                  day_3 = "20260103T000000Z", day_30 = "20260130T000000Z";
using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("without run.keep every run stays") {
  const Results results;
  (void)results.run(day_1);
  CHECK(results.prune({}).empty());
  CHECK(results.runs() == Ids{day_1});
}

TEST_CASE("the newest runs stay, and the space of the others is told") {
  const Results results;
  for (const std::string& id : {day_1, day_2, day_3, day_30})
    (void)results.run(id);
  const auto pruned = prune_runs(results.path, {2, {}}, day_30, now);
  REQUIRE(pruned);
  CHECK(pruned->removed == Ids{day_1, day_2});
  CHECK(pruned->bytes >= 20'000);
  CHECK(results.runs() == Ids{day_3, day_30});
}

TEST_CASE("runs that are too old go, however few they are, but not this one") {
  const Results results;
  for (const std::string& id : {day_1, day_2, day_30})
    (void)results.run(id);
  CHECK(results.prune({10, 7}, day_2) == Ids{day_1});
  CHECK(results.runs() == Ids{day_2, day_30});
}

TEST_CASE("a run that can go on is not counted, and goes when it is too old") {
  const Results results;
  (void)results.run(day_1, false);
  (void)results.run(day_2);
  (void)results.run(day_3);
  (void)results.run(day_30, false);
  fs::create_directories(results.path / "runs/20260129T000000Z");  // it has no journal yet
  CHECK(results.prune({1, {}}) == Ids{day_2});
  CHECK(results.runs() == Ids{day_1, day_3, "20260129T000000Z", day_30});
  CHECK(results.prune({1, 7}) == Ids{day_1, day_3});
}

TEST_CASE("a run that a link leads to stays") {
  const Results results;
  for (const std::string& id : {day_1, day_2, day_3, day_30})
    (void)results.run(id);
  fs::create_directories(results.path / "recordings");
  fs::create_directory_symlink("../runs/" + day_1, results.path / "recordings/main");
  fs::create_symlink(results.path / "runs" / day_2 / "journal.jsonl", results.path / "into");
  fs::create_directory_symlink("recordings/dangling", results.path / "dangling");
  CHECK(results.prune({1, {}}, day_30) == Ids{day_3});
  CHECK(results.runs() == Ids{day_1, day_2, day_30});
}

TEST_CASE("a run that is recorded while it is about to be removed comes back whole") {
  const Results results;
  for (const std::string& id : {day_1, day_2, day_30})
    (void)results.run(id);
  const auto pruned = prune_runs(results.path, {1, {}}, day_30, now, [&] {
    CHECK(results.runs() == Ids{".removing", day_30});
    fs::create_directories(results.path / "recordings");
    fs::create_directory_symlink("../runs/" + day_2, results.path / "recordings/late");
  });
  REQUIRE(pruned);
  CHECK(pruned->problems.empty());
  CHECK(pruned->removed == Ids{day_1});
  CHECK(results.runs() == Ids{day_2, day_30});
  CHECK(fs::exists(results.path / "recordings/late/tests/s/t/1/stdout"));
}

TEST_CASE("what is not called like a run, or is no folder, is not touched") {
  const Results results;
  const fs::path elsewhere = results.path / "elsewhere";
  fs::create_directories(elsewhere);
  (void)results.run("notes");
  for (const std::string suffix : {".bak", "-keep-this", "-", "-02", "-2x"})
    (void)results.run(day_1 + suffix);
  fs::create_directory_symlink(elsewhere, results.path / "runs" / day_1);
  std::ofstream(results.path / "runs" / day_2) << "a file";
  (void)results.run(day_3);
  (void)results.run(day_30);
  CHECK(results.prune({1, {}}) == Ids{day_3});
  CHECK(fs::exists(elsewhere));
  CHECK(results.runs().size() == 9);
}

TEST_CASE("links in a run are removed and never followed") {
  const Results results;
  const fs::path elsewhere = results.path / "elsewhere";
  fs::create_directories(elsewhere / "deep");
  std::ofstream(elsewhere / "deep/file") << "kept";
  const fs::path run = results.run(day_1);
  (void)results.run(day_30);
  fs::create_directory_symlink(elsewhere, run / "tests/link");
  fs::create_directory_symlink("..", run / "tests/up");
  fs::create_symlink("/nowhere", run / "dangling");
  CHECK(results.prune({1, {}}) == Ids{day_1});
  CHECK(fs::exists(elsewhere / "deep/file"));
  CHECK(results.runs() == Ids{day_30});
}

TEST_CASE("odd permissions, odd names, deep folders and special files go with their run") {
  const Results results;
  const fs::path run = results.run(day_1);
  (void)results.run(day_30);
  fs::create_directories(run / "closed/inner");
  fs::create_directories(run / "-rf\n\xff *");
  std::ofstream(run / "-rf\n\xff *" / "moved-1") << "x";
  fs::create_directories(run / "moved-1");
  REQUIRE(::mkfifo((run / "fifo").c_str(), 0) == 0);
  fs::path deep = run;
  for (int i = 0; i < 300; ++i)
    deep /= "deep";
  fs::create_directories(deep);
  fs::permissions(run / "closed/inner", fs::perms::none);
  fs::permissions(run / "closed", fs::perms::none);
  fs::permissions(run, fs::perms::owner_read | fs::perms::owner_exec);
  CHECK(results.prune({1, {}}) == Ids{day_1});
  CHECK(results.runs() == Ids{day_30});
}

TEST_CASE("what an earlier ff-ci did not come to the end of is removed, too") {
  const Results results;
  (void)results.run(day_30);
  fs::create_directories(results.path / "runs/.removing" / day_1 / "tests");
  CHECK(results.prune({1, {}}).empty());
  CHECK(results.runs() == Ids{day_30});
}

TEST_CASE("a link in the place of the folder that runs are removed in is refused") {
  const Results results;
  (void)results.run(day_1);
  (void)results.run(day_30);
  fs::create_directories(results.path / "elsewhere/kept");
  fs::create_directory_symlink("../elsewhere", results.path / "runs/.removing");
  CHECK_FALSE(prune_runs(results.path, {1, {}}, "", now));
  CHECK(fs::exists(results.path / "elsewhere/kept"));
  CHECK(fs::exists(results.path / "runs" / day_1));
}
