#include "hosts/child_program.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <filesystem>

#include "hosts/orphans.hpp"

using namespace ffci;

TEST_CASE("a program beside ff-ci is no orphan, and its end is told when it comes") {
  std::string folder = std::filesystem::temp_directory_path() / "ff-ci-child-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  boost::asio::io_context loop;
  std::optional<ExitStatus> ended;
  ChildProgramOptions options;
  options.arguments = {"sleep", "1000"};
  options.output = folder + "/said";
  options.directory = folder;
  auto program = ChildProgram::start(loop, options, [&](const auto& status) { ended = status; });
  REQUIRE(program);
  const pid_t orphan = ::fork();
  if (orphan == 0) {
    ::pause();
    ::_exit(0);
  }
  kill_orphans(loop, [&](bool gone) {
    CHECK(gone);
    CHECK(::kill(orphan, 0) != 0);
    CHECK_FALSE(ended);
    (*program)->kill();
  });
  loop.run();
  REQUIRE(ended);
  CHECK(*ended == ExitStatus{ExitStatus::Kind::signaled, SIGKILL});
  std::filesystem::remove_all(folder);
}
