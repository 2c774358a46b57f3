#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <random>

#include "hosts/remote_script.hpp"

namespace ffci {
namespace {

using namespace std::chrono_literals;

const std::string nonce = "0123456789abcdef0123456789abcdef";
const std::string other_nonce = "0123456789abcdef0123456789abcdee";

// What the shell of a run says around the output of its command.
std::string told(const std::string& output, const std::string& trailer) {
  return nonce + " begin\n" + output + nonce + " end\n" + trailer + "left \ntrouble \n" + nonce +
         " done\n";
}

const std::string passed = "pid 11\ncommand 0 10.00 10.50\n";

struct Heard {
  RemoteRunOutput run{nonce};
  std::string output;

  Heard& feed(std::string_view bytes) {
    run.feed(Stream::standard_output, bytes, output);
    return *this;
  }
};

Heard hear(std::string_view bytes) {
  Heard heard;
  heard.feed(bytes);
  return heard;
}

Heard hear_in_pieces(std::string_view bytes, std::minstd_rand& random, size_t most) {
  Heard heard;
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), 1 + random() % most);
    heard.feed(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return heard;
}

std::string show(const std::optional<ExitStatus>& status) {
  return status ? fmt::format("{}", status->value) : "-";
}

// Exit statuses of set-up, command and teardown: "0 3 -".
std::string statuses(const Heard& heard) {
  const CommandEnd& end = heard.run.end();
  return fmt::format("{} {} {}", show(end.setup), show(end.command), show(end.teardown));
}

long peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss << 10;
}

// Answers as "number word|rest", one a line.
std::string show(const std::vector<RemoteAnswer>& answers) {
  std::string text;
  for (const RemoteAnswer& answer : answers)
    text += fmt::format("{} {}|{}\n", answer.number, answer.word, answer.rest);
  return text;
}

std::string answers_in(std::string_view bytes) {
  return show(RemoteAnswers(nonce).feed(bytes));
}

}  // namespace

TEST_SUITE("remote run output") {
  TEST_CASE("the bytes of a command come out exactly, however they arrive") {
    const std::string outputs[] = {
        "",
        "\n",
        "one line\n",
        "no newline at the end",
        std::string("NUL \0 in \0\0 it\n", 15),
        "a beginning of a nonce 0123456789abcdef",
        nonce.substr(0, 31),
        nonce,
        nonce + " en",
        nonce + " end",
        nonce + " end \n" + nonce + "\n end\n",
        nonce + nonce,
        "\n" + nonce + " done\n",
        nonce + " begin\nonce more\n",
        other_nonce + " end\ncommand 0 1.00 2.00\nleft \n" + other_nonce + " done\n",
        "end\ndone\nend done begin\n",
        "command 0 1.00 2.00\nleft 12 (mine)\ntrouble all over\n",
        "\xFF\xFE\x80 \x1B[31mred\r\n",
        "0101230120012" + nonce.substr(0, 20),
    };
    const std::string noises[] = {
        "",
        "Welcome to the machine\n",
        "a prompt without a newline: ",
        std::string("\0\r\n\x1B[2J", 7),
        nonce.substr(0, 20),
        nonce + " end\n" + nonce + " done\n",
        other_nonce + " begin\n",
        std::string(20'000, 'x'),
    };
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (const std::string& noise : noises) {
      for (const std::string& output : outputs) {
        const std::string bytes = noise + told(output, passed);
        CAPTURE(noise.substr(0, 100));
        CAPTURE(output);
        for (const size_t most : {size_t{1}, size_t{2}, size_t{40}, bytes.size()}) {
          const Heard heard = hear_in_pieces(bytes, random, most);
          REQUIRE(heard.output == output);
          REQUIRE(heard.run.is_told());
          REQUIRE(statuses(heard) == "- 0 -");
          REQUIRE(heard.run.took() == 500ms);
          REQUIRE(heard.run.left().empty());
          REQUIRE(heard.run.trouble().empty());
        }
      }
    }
  }

  TEST_CASE("random bytes and scraps of the last words come out as they went in") {
    const std::string scraps[] = {nonce, nonce + " end", nonce.substr(0, 16), " end\n",
                                  "\n",  "end",          nonce.substr(16),    " done"};
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (int round = 0; round < 2000; ++round) {
      std::string output;
      for (size_t i = random() % 12; i > 0; --i) {
        if (random() % 2 == 0) {
          output += static_cast<char>(random());
        } else {
          output += scraps[random() % std::size(scraps)];
        }
      }
      if (output.find(nonce + " end\n") != std::string::npos) continue;
      const Heard heard = hear_in_pieces(told(output, passed), random, 1 + random() % 60);
      REQUIRE(heard.output == output);
      REQUIRE(statuses(heard) == "- 0 -");
    }
  }

  TEST_CASE("a run that breaks off anywhere is not over, and has passed on what was there") {
    const std::string output = "some output\n" + nonce.substr(0, 8) + "\n";
    const std::string bytes = "noise " + told(output, passed);
    const size_t last_word = bytes.rfind(" done\n") + 6;
    for (size_t length = 0; length < last_word; ++length) {
      const Heard heard = hear(bytes.substr(0, length));
      CAPTURE(length);
      REQUIRE_FALSE(heard.run.is_told());
      REQUIRE(statuses(heard) == "- - -");
      REQUIRE(output.starts_with(heard.output));
      REQUIRE(heard.run.has_begun() == (length >= 6 + nonce.size() + 7));
    }
    CHECK(hear(bytes.substr(0, last_word)).run.is_told());
  }

  TEST_CASE("output is passed on at once, up to what may be the beginning of the last words") {
    Heard heard;
    heard.feed(nonce + " begin\n");
    CHECK(heard.feed("0").output == "");
    CHECK(heard.feed("1").output == "");
    CHECK(heard.feed("!").output == "01!");
    CHECK(heard.feed("a line\n").output == "01!a line\n");
    CHECK(heard.feed("?" + nonce).output == "01!a line\n?");
  }

  TEST_CASE("the steps of a run have a status each, and those that did not run have none") {
    const auto said = [](const std::string& trailer) { return statuses(hear(told("", trailer))); };
    CHECK(said("") == "- - -");
    CHECK(said("pid 1\nsetup 0 1.00 2.00\npid 2\ncommand 3 2.00 3.00\npid 3\nteardown 4 3.00 "
               "4.00\n") == "0 3 4");
    CHECK(said("setup 1 1.00 2.00\nteardown 0 2.00 2.00\n") == "1 - 0");
    CHECK(said("command 255 1.00 2.00\n") == "- 255 -");
    CHECK(said("command 137 1.00 2.00\n") == "- 137 -");
    CHECK(said("pid 2\n") == "- - -");
  }

  TEST_CASE("a command's time is by the clock there; set-up and teardown do not count") {
    const auto took = [](const std::string& trailer) {
      return hear(told("", trailer)).run.took().value_or(-1ms);
    };
    CHECK(took("setup 0 1.00 5.00\ncommand 1 5.00 7.25\nteardown 0 7.25 9.00\n") == 2250ms);
    CHECK(took("command 0 12345678.99 12345679.00\n") == 10ms);
    CHECK(took("command 0 7.00 6.00\n") == -1ms);
    CHECK(took("command 0 7 8\n") == -1ms);
    CHECK(took("command 0 -1.00 -1.-5\n") == -1ms);
    CHECK(took("setup 0 1.00 5.00\n") == -1ms);
  }

  TEST_CASE("what is left, and what went wrong, is told fit to be shown") {
    const Heard heard =
        hear(nonce + " begin\n" + nonce + " end\n" + passed +
             "left  77 (fsstress) 78 (\x1B[31mred\a)\ntrouble no TMPDIR: No space left\n" + nonce +
             " done\n");
    CHECK(heard.run.left() == "77 (fsstress) 78 (red#x07)");
    CHECK(heard.run.trouble() == "no TMPDIR: No space left");
    CHECK(statuses(heard) == "- 0 -");
  }

  TEST_CASE("a step that is reported twice was forged: the command has no result") {
    const auto said = [](const std::string& trailer) {
      const Heard heard = hear(told("", trailer));
      CHECK(heard.run.is_told());
      CHECK(heard.run.trouble().find("was reported twice") != std::string::npos);
      return statuses(heard);
    };
    CHECK(said("command 0 1.00 2.00\npid 7\ncommand 1 1.00 2.00\n") == "- - -");
    CHECK(said("command 1 1.00 2.00\ncommand 0 1.00 2.00\n") == "- - -");
    CHECK(said("command 1 1.00 2.00\ncommand 0 1.00 2.00\ncommand 0 1.00 2.00\n") == "- - -");
    CHECK(said("setup 0 1.00 2.00\nsetup 1 1.00 2.00\ncommand 0 1.00 2.00\n") == "- - -");
    CHECK(said("command 0 1.00 2.00\nteardown 0 1.00 2.00\nteardown 1 1.00 2.00\n") == "- - -");
  }

  TEST_CASE("garbage among the reports is passed over") {
    const auto said = [](const std::string& trailer) { return statuses(hear(told("", trailer))); };
    CHECK(said("\n\n \n   \ncommand\ncommand 1\ncommand 1 2\ncommand 0 1.00 2.00 3.00\n"
               "command 0 1.00\n") == "- - -");
    CHECK(said("command 256 1.00 2.00\ncommand -1 1.00 2.00\ncommand x 1.00 2.00\n"
               "command 99999999999999999999 1.00 2.00\ncommand  1.00 2.00\n") == "- - -");
    CHECK(said("comman 0 1.00 2.00\nCOMMAND 0 1.00 2.00\ncommand\t0\t1.00\t2.00\n") == "- - -");
    CHECK(said(std::string("\0\xFF\n\r\n", 5) + "command 0 1.00 2.00\n") == "- 0 -");
  }

  TEST_CASE("reports that are flooded are none: the first ones may have been drowned") {
    const std::string flood(1 << 20, 'x');
    const Heard heard = hear(told("", "command 1 1.00 2.00\n" + flood + "\ncommand 0 1.00 2.00\n"));
    CHECK(heard.run.is_told());
    CHECK(statuses(heard) == "- - -");
    CHECK(heard.run.trouble() != "");
  }

  TEST_CASE("what a set-up has started may go on writing behind the set-up's end") {
    const std::string bytes = told("set up\n", "setup 0 1.00 2.00\n");
    CHECK(hear(bytes + "a daemon's line\n").output == "set up\na daemon's line\n");
    std::minstd_rand random(1);
    Heard heard = hear_in_pieces(bytes, random, 1);
    heard.feed("a daemon's line\n");
    heard.feed(nonce + " end\n");
    CHECK(heard.output == "set up\na daemon's line\n" + nonce + " end\n");
    CHECK(statuses(heard) == "0 - -");
  }

  TEST_CASE("no output, however large, is held") {
    const std::string chunk(1 << 20, 'x');
    const std::string lines(1 << 20, '\n');
    const long before = peak_memory();
    Heard heard;
    for (int i = 0; i < 300; ++i)
      heard.feed(i % 2 == 0 ? chunk : lines);
    CHECK_FALSE(heard.run.has_begun());
    heard.feed(nonce + " begin\n");
    size_t passed_on = 0;
    for (int i = 0; i < 300; ++i) {
      heard.feed(chunk);
      passed_on += heard.output.size();
      heard.output.clear();
    }
    CHECK(passed_on == 300 * chunk.size());
    heard.feed(nonce + " end\n");
    for (int i = 0; i < 300; ++i)
      heard.feed(i % 2 == 0 ? chunk : lines);
    CHECK(heard.output.empty());
    heard.feed(nonce + " done\n");
    CHECK(heard.run.is_told());
    CHECK(statuses(heard) == "- - -");
    CHECK(peak_memory() - before < 64 << 20);
  }
}

TEST_SUITE("remote answers") {
  TEST_CASE("an answer is a number, a word and the rest") {
    CHECK(answers_in(nonce + " 0 kernel 6.1.0-test\n") == "0 kernel|6.1.0-test\n");
    CHECK(answers_in(nonce + " 12 alive\n" + nonce + " 13 signalled 4  5 \n") ==
          "12 alive|\n13 signalled|4  5\n");
    CHECK(answers_in(nonce + " 0 temporary \n") == "0 temporary|\n");
    CHECK(answers_in(nonce + " 18446744073709551615 bye\n") == "18446744073709551615 bye|\n");
  }

  TEST_CASE("whatever else is on the stream is passed over") {
    CHECK(answers_in("Last login: yesterday\r\n\n" + nonce + " 1 alive\n") == "1 alive|\n");
    CHECK(answers_in("prompt without a newline: " + nonce + " 1 alive\n") == "1 alive|\n");
    CHECK(answers_in(nonce.substr(0, 20) + nonce + " 1 alive\n") == "1 alive|\n");
    CHECK(answers_in(std::string("\0\0\xFF", 3) + nonce + " 1 alive\n") == "1 alive|\n");
    CHECK(answers_in(other_nonce + " 1 alive\n1 alive\nalive\n") == "");
    CHECK(answers_in(nonce + "\n" + nonce + " \n" + nonce + " 1\n" + nonce + " x alive\n" + nonce +
                     " -1 alive\n" + nonce + " 99999999999999999999 alive\n") == "");
  }

  TEST_CASE("answers are the same however they arrive, and only whole lines are answers") {
    const std::string bytes = "noise\nmore " + nonce + " 0 arch x86_64\n" + other_nonce +
                              " 0 ready\n" + nonce + " 0 ready\n" + nonce + " 1 ali";
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    std::minstd_rand random(seed);
    for (const size_t most : {1U, 2U, 50U, 1000U}) {
      RemoteAnswers answers(nonce);
      std::string heard;
      for (size_t at = 0; at < bytes.size();) {
        const size_t length = 1 + random() % most;
        heard += show(answers.feed(std::string_view(bytes).substr(at, length)));
        at += length;
      }
      CHECK(heard == "0 arch|x86_64\n0 ready|\n");
      CHECK(show(answers.feed("ve\n")) == "1 alive|\n");
    }
  }

  TEST_CASE("a line without end costs no memory, and hides no answer behind it") {
    const std::string chunk(1 << 20, 'x');
    const long before = peak_memory();
    RemoteAnswers answers(nonce);
    for (int i = 0; i < 300; ++i)
      CHECK(answers.feed(chunk).empty());
    CHECK(show(answers.feed(nonce + " 0 ready\n")) == "0 ready|\n");
    CHECK(show(answers.feed(chunk + nonce.substr(0, 9))) == "");
    CHECK(show(answers.feed(nonce.substr(9) + " 1 alive\n")) == "1 alive|\n");
    CHECK(peak_memory() - before < 16 << 20);
  }

  TEST_CASE("a very long answer is cut, and the next one is whole") {
    const std::string pids(1 << 20, '7');
    const std::vector<RemoteAnswer> heard =
        RemoteAnswers(nonce).feed(nonce + " 1 signalled " + pids + "\n" + nonce + " 2 alive\n");
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].word == "signalled");
    CHECK(heard[0].rest.size() > 1000);
    CHECK(heard[0].rest.size() < 100'000);
    CHECK(show({heard[1]}) == "2 alive|\n");
  }
}

}  // namespace ffci
