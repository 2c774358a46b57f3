#include "hosts/ssh_credentials.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.hpp"

namespace ffci {
namespace {

namespace fs = std::filesystem;

// A folder that goes with the test.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / "ff-ci-test.XXXXXX") {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A variable of the environment, for the time of a test.
class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;
  ~Setting() { set(old_ ? old_->c_str() : nullptr); }

 private:
  void set(const char* value) { value != nullptr ? ::setenv(name_, value, 1) : ::unsetenv(name_); }
  const char* name_;
  std::optional<std::string> old_;
};

bool can_make_keys() {
  const bool can = std::system("command -v ssh-keygen >/dev/null 2>&1") == 0;
  if (!can) MESSAGE("not tested: there is no ssh-keygen");
  return can;
}

std::string make_key(const std::string& path, const std::string& options) {
  const std::string passphrase = options.find("-N") == std::string::npos ? " -N ''" : "";
  REQUIRE(std::system(fmt::format("ssh-keygen -q {}{} -f {} </dev/null >&2", options, passphrase,
                                  shell_quote(path))
                          .c_str()) == 0);
  return path;
}

std::string trouble_with_key(const std::string& path) {
  const auto key = load_private_key(path);
  return key ? "none" : key.error().message;
}

KnownHosts known_hosts(const std::string& text) {
  const Folder folder;
  auto known = KnownHosts::load(write(folder / "known_hosts", text));
  REQUIRE(known);
  return *std::move(known);
}

// "hosts key" of each line that may be about the host.
std::vector<std::string> candidates(const std::string& text, const std::string& host,
                                    int port = 22) {
  std::vector<std::string> found;
  for (const KnownHostLine& line : known_hosts(text).candidates(host, port))
    found.push_back(line.hosts + " " + line.key);
  return found;
}

using Lines = std::vector<std::string>;

bool knows(const std::string& hosts, const std::string& host, int port = 22) {
  return !candidates(hosts + " ssh-ed25519 AAAA\n", host, port).empty();
}

const std::string hashed = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=";

}  // namespace

TEST_SUITE("private keys") {
  TEST_CASE("keys without a passphrase are taken as they are, in every format") {
    if (!can_make_keys()) return;
    const Folder folder;
    for (const char* options : {"-t ed25519", "-t ecdsa", "-t ecdsa -m PEM", "-t ecdsa -m PKCS8"}) {
      CAPTURE(options);
      const std::string path = make_key(folder / fmt::format("key {}", options), options);
      const auto key = load_private_key(path);
      REQUIRE(key);
      CHECK(key->path == path);
      CHECK(key->text == text_of(path));
      CHECK_FALSE(key->is_rsa);
    }
  }

  TEST_CASE("a key with a passphrase is refused, with what to do about it") {
    if (!can_make_keys()) return;
    const Folder folder;
    for (const char* options :
         {"-t ed25519 -N secret", "-t ecdsa -N secret -m PEM", "-t ecdsa -N secret -m PKCS8",
          "-t rsa -b 1024 -N secret", "-t rsa -b 1024 -N secret -m PEM",
          "-t ed25519 -N secret -Z aes128-gcm@openssh.com"}) {
      CAPTURE(options);
      const std::string path = make_key(folder / fmt::format("key {}", options), options);
      const auto key = load_private_key(path);
      REQUIRE_FALSE(key);
      CHECK(key.error().kind == ErrorKind::unavailable);
      CHECK(key.error().message ==
            fmt::format("{0} is encrypted: add it to the agent (ssh-add {0}) and leave `identity` "
                        "out, or use a key without a passphrase",
                        path));
    }
  }

  TEST_CASE("RSA keys are recognised in every format, and nothing else is one") {
    if (!can_make_keys()) return;
    const Folder folder;
    for (const char* options :
         {"-t rsa -b 1024", "-t rsa -b 1024 -m PEM", "-t rsa -b 1024 -m PKCS8"}) {
      CAPTURE(options);
      const auto key = load_private_key(make_key(folder / fmt::format("key {}", options), options));
      REQUIRE(key);
      CHECK(key->is_rsa);
    }
    const auto key =
        load_private_key(make_key(folder / "other", "-t ed25519 -C 'not my ssh-rsa key'"));
    REQUIRE(key);
    CHECK_FALSE(key->is_rsa);
  }

  TEST_CASE("a key whose lines end as on Windows is read like another") {
    if (!can_make_keys()) return;
    const Folder folder;
    const auto with_crlf = [&](const std::string& name, const std::string& options) {
      std::string text;
      for (const char c : text_of(make_key(folder / name, options)))
        text += c == '\n' ? std::string("\r\n") : std::string(1, c);
      return load_private_key(write(folder / (name + ".crlf"), text));
    };
    CHECK_FALSE(with_crlf("encrypted", "-t ed25519 -N secret"));
    REQUIRE(with_crlf("rsa", "-t rsa -b 1024"));
    CHECK(with_crlf("rsa2", "-t rsa -b 1024")->is_rsa);
    CHECK(with_crlf("plain", "-t ed25519"));
  }

  TEST_CASE("what is no private key is told apart from what can't be read") {
    const Folder folder;
    const std::string text = write(folder / "text", "hello\n");
    CHECK(trouble_with_key(text) == text + " is not a private key");
    const std::string empty = write(folder / "empty", "");
    CHECK(trouble_with_key(empty) == empty + " is not a private key");
    const std::string public_key = write(folder / "key.pub", "ssh-ed25519 AAAA me@here\n");
    CHECK(trouble_with_key(public_key) == public_key + " is not a private key");
    for (const std::string& path : {folder / "missing", folder / ""}) {
      const auto missing = load_private_key(path);
      REQUIRE_FALSE(missing);
      CHECK(missing.error().kind == ErrorKind::no_input);
      CHECK(missing.error().message.find(path) != std::string::npos);
    }
  }

  TEST_CASE("a key that is cut off anywhere is read or refused, no more") {
    if (!can_make_keys()) return;
    const Folder folder;
    for (const char* options : {"-t ed25519 -N secret", "-t rsa -b 1024 -m PEM"}) {
      const std::string text = text_of(make_key(folder / fmt::format("key {}", options), options));
      for (size_t length = 0; length < text.size(); length += 5)
        (void)load_private_key(write(folder / "cut", text.substr(0, length)));
    }
  }
}

TEST_SUITE("known hosts") {
  TEST_CASE("a line is about the hosts that it names; comments and what follows a key are not") {
    const std::string text =
        "# vm1 ssh-ed25519 COMMENT\n"
        "\n"
        "  # another\n"
        "vm1 ssh-ed25519 AAAAone comment of the key\n"
        "vm2,vm1\tecdsa-sha2-nistp256\t AAAAtwo\tcomment\n"
        "   vm1   ssh-rsa   AAAAthree   \n"
        "vm3 ssh-ed25519 AAAAfour\n";
    CHECK(candidates(text, "vm1") == Lines{"vm1 ssh-ed25519 AAAAone",
                                           "vm1 ecdsa-sha2-nistp256 AAAAtwo",
                                           "vm1 ssh-rsa AAAAthree"});
    CHECK(candidates(text, "vm2") == Lines{"vm2 ecdsa-sha2-nistp256 AAAAtwo"});
    CHECK(candidates(text, "vm") == Lines{});
    CHECK(candidates(text, "vm11") == Lines{});
    CHECK(candidates(text, "#") == Lines{});
  }

  TEST_CASE("lines without a key, and without an end, do no harm") {
    CHECK(
        candidates("vm1\nvm1 \nvm1 ssh-ed25519\nvm1 ssh-ed25519 \n\0\n@revoked\n@revoked vm1\n@\n",
                   "vm1") == Lines{});
    CHECK(candidates("vm1 ssh-ed25519 AAAA", "vm1") == Lines{"vm1 ssh-ed25519 AAAA"});
    CHECK(candidates("vm1 ssh-ed25519 AAAA comment\r\nvm2 ssh-ed25519 BBBB\r\n", "vm2") ==
          Lines{"vm2 ssh-ed25519 BBBB"});
    CHECK(candidates("vm1 ssh-ed25519 AAAA\r\n", "vm1") == Lines{"vm1 ssh-ed25519 AAAA"});
  }

  TEST_CASE("a port that is not 22 belongs to the name") {
    const std::string text = "vm1 ssh-ed25519 A22\n[vm1]:2222 ssh-ed25519 A2222\n";
    CHECK(candidates(text, "vm1") == Lines{"vm1 ssh-ed25519 A22"});
    CHECK(candidates(text, "vm1", 2222) == Lines{"[vm1]:2222 ssh-ed25519 A2222"});
    CHECK(candidates(text, "vm1", 2223) == Lines{});
    CHECK(candidates("[::1]:2222,[vm2]:2222 ssh-ed25519 A\n", "::1", 2222) ==
          Lines{"[::1]:2222 ssh-ed25519 A"});
    CHECK(knows("::1", "::1"));
  }

  TEST_CASE("patterns are those of known_hosts, and exceptions are excepted wherever they stand") {
    CHECK(knows("*", "vm1"));
    CHECK(knows("vm?", "vm1"));
    CHECK_FALSE(knows("vm?", "vm10"));
    CHECK(knows("*.example.org", "a.b.example.org"));
    CHECK_FALSE(knows("*.example.org", "example.org"));
    CHECK_FALSE(knows("vm*,!vm2", "vm2"));
    CHECK_FALSE(knows("!vm2,vm*", "vm2"));
    CHECK(knows("!vm2,vm*", "vm1"));
    CHECK_FALSE(knows("!vm2", "vm1"));
    CHECK_FALSE(knows("", "vm1"));
    CHECK_FALSE(knows("vm[12]", "vm1"));
    CHECK(knows("[vm*]:2222", "vm1", 2222));
    CHECK(knows("[*]:2222", "vm1", 2222));
    CHECK_FALSE(knows("[vm1]:222?", "vm1"));
    CHECK_FALSE(knows("*,![vm1]:2222", "vm1", 2222));
    CHECK(knows("*,![vm1]:2222", "vm1", 2223));
    CHECK(candidates("*.example.org ssh-ed25519 AAAA\n", "a.example.org") ==
          Lines{"a.example.org ssh-ed25519 AAAA"});
  }

  TEST_CASE("names are the same in capitals") {
    CHECK(knows("VM1.example.org", "vm1.Example.ORG"));
    CHECK(knows("*.Example.org", "vm1.example.org"));
    CHECK_FALSE(knows("*,!VM1", "vm1"));
  }

  TEST_CASE("hashed lines may be about every host") {
    const std::string text = hashed + " ssh-ed25519 AAAA\nvm2 ssh-ed25519 BBBB\n";
    CHECK(candidates(text, "vm1") == Lines{hashed + " ssh-ed25519 AAAA"});
    CHECK(candidates(text, "vm2", 2222) == Lines{hashed + " ssh-ed25519 AAAA"});
  }

  TEST_CASE("a revoked key is revoked, and makes no host known") {
    const std::string text =
        "@revoked vm1 ssh-ed25519 BAD comment\n"
        "@revoked\t*\tssh-rsa\tWORSE\n"
        "@cert-authority * ssh-ed25519 AUTHORITY\n"
        "@unheard-of vm1 ssh-ed25519 OTHER\n"
        "vm1 ssh-ed25519 GOOD\n";
    const KnownHosts known = known_hosts(text);
    CHECK(known.is_revoked("ssh-ed25519 BAD"));
    CHECK(known.is_revoked("ssh-rsa WORSE"));
    for (const char* key : {"ssh-ed25519 GOOD", "ssh-ed25519 AUTHORITY", "ssh-ed25519 OTHER",
                            "ssh-ed25519 BA", "BAD", "ssh-rsa BAD", ""})
      CHECK_FALSE(known.is_revoked(key));
    CHECK(candidates(text, "vm1") == Lines{"vm1 ssh-ed25519 GOOD"});
  }

  TEST_CASE("a file that is not there is an empty one; one that can't be read is an error") {
    const Folder folder;
    const auto none = KnownHosts::load(folder / "none/known_hosts");
    REQUIRE(none);
    CHECK(none->candidates("vm1", 22).empty());
    CHECK(none->path() == folder / "none/known_hosts");
    fs::create_symlink("loop", folder / "loop");
    for (const std::string& path : {folder / "", folder / "loop"}) {
      const auto unreadable = KnownHosts::load(path);
      REQUIRE_FALSE(unreadable);
      CHECK(unreadable.error().kind == ErrorKind::no_input);
    }
  }

  TEST_CASE("a host that is added is known at once and later, and nothing else changes") {
    const Folder folder;
    const std::string path = folder / "deep/.ssh/known_hosts";
    auto known = KnownHosts::load(path);
    REQUIRE(known);
    const ::mode_t before = ::umask(002);
    CHECK(known->add("vm1", 22, "ssh-ed25519 AAAA"));
    ::umask(before);
    CHECK(known->add("vm1", 2222, "ssh-ed25519 BBBB"));
    CHECK(known->candidates("vm1", 22).size() == 1);
    CHECK(known->candidates("vm1", 2222).at(0).key == "ssh-ed25519 BBBB");
    CHECK(text_of(path) == "vm1 ssh-ed25519 AAAA\n[vm1]:2222 ssh-ed25519 BBBB\n");
    CHECK(fs::status(path).permissions() == fs::perms(0600));
    CHECK(fs::status(folder / "deep/.ssh").permissions() == fs::perms(0700));
    auto again = KnownHosts::load(path);
    REQUIRE(again);
    CHECK(again->candidates("vm1", 2222).size() == 1);
    CHECK(again->add("vm2", 22, "ssh-ed25519 CCCC"));
    CHECK(text_of(path) ==
          "vm1 ssh-ed25519 AAAA\n[vm1]:2222 ssh-ed25519 BBBB\nvm2 ssh-ed25519 CCCC\n");
  }

  TEST_CASE("a last line without an end is not glued to a host that is added") {
    const Folder folder;
    const std::string path = write(folder / "known_hosts", "vm1 ssh-ed25519 AAAA");
    auto known = KnownHosts::load(path);
    REQUIRE(known);
    CHECK(known->add("vm2", 22, "ssh-ed25519 BBBB"));
    CHECK(text_of(path) == "vm1 ssh-ed25519 AAAA\nvm2 ssh-ed25519 BBBB\n");
  }

  TEST_CASE("a file that can't be written to is told") {
    const Folder folder;
    write(folder / "file", "");
    auto known = KnownHosts::load(folder / "file/known_hosts");
    REQUIRE(known);
    const auto added = known->add("vm1", 22, "ssh-ed25519 AAAA");
    REQUIRE_FALSE(added);
    CHECK(added.error().kind == ErrorKind::io);
    CHECK(added.error().message ==
          "cannot write " + (folder / "file/known_hosts") + ": Not a directory");
  }

  TEST_CASE("/dev/null knows nobody and takes everybody") {
    auto known = KnownHosts::load("/dev/null");
    REQUIRE(known);
    CHECK(known->add("vm1", 22, "ssh-ed25519 AAAA"));
    CHECK(known->candidates("vm1", 22).size() == 1);
  }
}

TEST_SUITE("SSH credentials") {
  TEST_CASE("the key that a spec names is the only one") {
    if (!can_make_keys()) return;
    const Folder folder;
    fs::create_directory(folder / ".ssh");
    make_key(folder / ".ssh/id_ed25519", "-t ed25519");
    const Setting home("HOME", (folder / "").c_str()), agent("SSH_AUTH_SOCK", "/agent");
    SshHostsSpec spec;
    spec.known_hosts = folder / "known_hosts";
    spec.identity = make_key(folder / "key", "-t ecdsa");
    spec.host_key = HostKeyPolicy::accept_new;
    const auto credentials = load_ssh_credentials(spec);
    REQUIRE(credentials);
    REQUIRE(credentials->keys.size() == 1);
    CHECK(credentials->keys[0].path == *spec.identity);
    CHECK(credentials->agent_socket == "");
    CHECK(credentials->policy == HostKeyPolicy::accept_new);
    spec.identity = folder / "missing";
    CHECK_FALSE(load_ssh_credentials(spec));
  }

  TEST_CASE("without one, it is the agent's and those of ~/.ssh that have no passphrase") {
    if (!can_make_keys()) return;
    const Folder folder;
    fs::create_directory(folder / ".ssh");
    make_key(folder / ".ssh/id_ed25519", "-t ed25519 -N secret");
    make_key(folder / ".ssh/id_ecdsa", "-t ecdsa");
    const Setting home("HOME", (folder / "").c_str());
    SshHostsSpec spec;
    spec.known_hosts = folder / "known_hosts";
    {
      const Setting agent("SSH_AUTH_SOCK", "/agent");
      const auto credentials = load_ssh_credentials(spec);
      REQUIRE(credentials);
      REQUIRE(credentials->keys.size() == 1);
      CHECK(credentials->keys[0].path.ends_with("/.ssh/id_ecdsa"));
      CHECK(credentials->agent_socket == "/agent");
    }
    const Setting no_agent("SSH_AUTH_SOCK", nullptr), no_home("HOME", nullptr);
    const auto credentials = load_ssh_credentials(spec);
    REQUIRE(credentials);
    CHECK(credentials->keys.empty());
    CHECK(credentials->agent_socket == "");
  }

  TEST_CASE("known hosts that can't be read are an error") {
    const Folder folder;
    SshHostsSpec spec;
    spec.known_hosts = folder / "";
    CHECK_FALSE(load_ssh_credentials(spec));
  }
}

}  // namespace ffci
