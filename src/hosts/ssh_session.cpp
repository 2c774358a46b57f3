#include "hosts/ssh_session.hpp"

#include <fmt/format.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>

#include "base/text.hpp"
#include "hosts/base64.hpp"
#include "hosts/deadline.hpp"
#include "hosts/ssh_agent.hpp"
#include "hosts/ssh_connection.hpp"
#include "hosts/ssh_memory.hpp"

namespace ffci {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

// A share of the loop's time for one session, in reads of channels and in bytes from the network.
constexpr int reads_per_turn = 48;
constexpr int reads_per_stream = 8;  // and then the next one's
constexpr size_t received_per_turn = 4 << 20;

// What a server may send until it has shown its host key: lines before its banner, and its keys.
constexpr size_t most_before_host_key = 256 << 10;

bool library_is_ready() {
  static const bool ready = ::libssh2_init(0) == 0;
  return ready;
}

struct HostKeyType {
  int libssh2_type;  // of libssh2_session_hostkey
  int known_host;    // of the known_hosts functions
  const char* name;
};
// In the order in which they are asked for.
constexpr HostKeyType host_key_types[] = {
    {LIBSSH2_HOSTKEY_TYPE_ED25519, LIBSSH2_KNOWNHOST_KEY_ED25519, "ssh-ed25519"},
    {LIBSSH2_HOSTKEY_TYPE_ECDSA_256, LIBSSH2_KNOWNHOST_KEY_ECDSA_256, "ecdsa-sha2-nistp256"},
    {LIBSSH2_HOSTKEY_TYPE_ECDSA_384, LIBSSH2_KNOWNHOST_KEY_ECDSA_384, "ecdsa-sha2-nistp384"},
    {LIBSSH2_HOSTKEY_TYPE_ECDSA_521, LIBSSH2_KNOWNHOST_KEY_ECDSA_521, "ecdsa-sha2-nistp521"},
    {LIBSSH2_HOSTKEY_TYPE_RSA, LIBSSH2_KNOWNHOST_KEY_SSHRSA, "ssh-rsa"},
};

// What libssh2 may hold for one session: channels' windows many times over. It queues whatever a
// server sends, asked for or not.
constexpr size_t most_memory = 64 << 20;

using Session = std::unique_ptr<LIBSSH2_SESSION, void (*)(LIBSSH2_SESSION*)>;

// With its socket shut down nothing can be sent any more, so that this does not block; what can't
// be freed at once is not worth waiting for.
void free_session(LIBSSH2_SESSION* session) {
  for (int i = 0; i < 100 && ::libssh2_session_free(session) == LIBSSH2_ERROR_EAGAIN; ++i) {
  }
}

}  // namespace

struct SshSession::State : std::enable_shared_from_this<State> {
  enum class Phase { connecting, handshake, asking_methods, authenticating, up, over };

  struct Channel {
    enum class Phase { queued, opening, executing, running, closing };
    Phase phase = Phase::queued;
    LIBSSH2_CHANNEL* handle = nullptr;
    std::string command;
    ChannelCallbacks callbacks;
    std::deque<std::string> unsent;  // the front one's bytes stay where they are until it is sent
    size_t sent = 0;                 // of the front one
    bool end_input = false, input_ended = false;
  };

  // A call of libssh2 that could not send all it had to: until it has, no other may be made.
  struct Call {
    enum class Kind { session, read, write, close } kind = Kind::session;
    SshChannelId channel = 0;
    int stream = 0;
    bool operator==(const Call&) const = default;
  };

  State(asio::io_context& loop_in, SshTarget target_in, SshCredentials& credentials_in,
        Callbacks callbacks_in)
      : loop(loop_in),
        target(std::move(target_in)),
        credentials(credentials_in),
        callbacks(std::move(callbacks_in)),
        socket(loop_in),
        deadline(loop_in) {}

  void start() {
    deadline.set(target.connect_timeout, [this] {
      fail_with(fmt::format("{}: no answer within {}", phase_name(),
                            human_duration(target.connect_timeout)));
    });
    connection = SshConnection::start(loop, target, [this](Result<Fd> connected) {
      if (phase != Phase::connecting) return;  // it comes too late
      if (!connected) return fail_with(connected.error().message);
      socket.assign(connected->release());
      begin_handshake();
    });
  }

  [[nodiscard]] std::string phase_name() const {
    switch (phase) {
      case Phase::connecting:
        return target.proxy_command ? "proxy-command" : "connect";
      case Phase::handshake:
        return "handshake";
      case Phase::asking_methods:
      case Phase::authenticating:
        return "authentication";
      default:
        return "connection";
    }
  }

  // Getting up: handshake, host key, authentication.

  void begin_handshake() {
    session.reset(
        ::libssh2_session_init_ex(&State::allocate, &State::release, &State::reallocate, this));
    if (!library_is_ready() || !session) return fail_with("libssh2 could not be set up");
    ::libssh2_session_set_blocking(session.get(), 0);
    // libssh2 would read as long as something comes, and a hostile server can send for ever.
    ::libssh2_session_callback_set(session.get(), LIBSSH2_CALLBACK_RECV,
                                   reinterpret_cast<void*>(&State::receive));
    prefer_known_host_key_types();
    phase = Phase::handshake;
    serve();
  }

  static void* allocate(size_t size, void** abstract) {
    return static_cast<State*>(*abstract)->memory.allocate(size);
  }
  static void release(void* memory, void** abstract) {
    static_cast<State*>(*abstract)->memory.release(memory);
  }
  static void* reallocate(void* memory, size_t size, void** abstract) {
    return static_cast<State*>(*abstract)->memory.reallocate(memory, size);
  }

  // The server may have several keys; the one it shows must be of a type that known_hosts has.
  void prefer_known_host_key_types() {
    std::string types;
    const auto add = [&types](const char* name) {
      types += (types.empty() ? "" : ",") + std::string(name);
    };
    load_known_hosts();
    for (const HostKeyType& type : host_key_types) {
      if (check_known_host("", type.known_host) == LIBSSH2_KNOWNHOST_CHECK_MISMATCH) add(type.name);
    }
    only_rsa_known = types == "ssh-rsa";
    if (types.empty()) {
      for (const HostKeyType& type : host_key_types)
        add(type.name);
    }
    ::libssh2_session_method_pref(session.get(), LIBSSH2_METHOD_HOSTKEY, types.c_str());
  }

  void load_known_hosts() {
    known.reset(::libssh2_knownhost_init(session.get()));
    for (const KnownHostLine& line :
         credentials.known_hosts.candidates(target.machine.host, target.machine.port)) {
      const std::string text = line.hosts + " " + line.key + "\n";
      ::libssh2_knownhost_readline(known.get(), text.c_str(), text.size(),
                                   LIBSSH2_KNOWNHOST_FILE_OPENSSH);
    }
  }

  [[nodiscard]] int check_known_host(const std::string& base64_key, int type) const {
    return ::libssh2_knownhost_checkp(
        known.get(), target.machine.host.c_str(), target.machine.port, base64_key.c_str(),
        base64_key.size(), LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_BASE64 | type,
        nullptr);
  }

  static ssize_t receive(libssh2_socket_t from, void* buffer, size_t size, int flags,
                         void** abstract) {
    State& state = *static_cast<State*>(*abstract);
    if (state.phase == Phase::over) return 0;  // what is waited for while it is freed never comes
    if (state.received_this_turn >= received_per_turn) {
      state.serve_again = true;
      return -EAGAIN;
    }
    if (state.phase == Phase::handshake && state.received > most_before_host_key) return 0;
    // Each of the channels asks; what has come meanwhile wakes us again.
    if (state.socket_is_empty) return -EAGAIN;
    const ssize_t got = ::recv(from, buffer, size, flags);
    state.socket_is_empty = got < 0 && errno == EAGAIN;
    if (got < 0) return -errno;
    // sshd waits with its next packet until this one is acknowledged (Nagle's algorithm), which the
    // kernel would put off for 40 ms. It forgets this each time.
    const int at_once = 1;
    ::setsockopt(from, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
    state.received += static_cast<size_t>(got);
    state.received_this_turn += static_cast<size_t>(got);
    return got;
  }

  void continue_handshake() {
    const int result = call(
        {}, [this] { return ::libssh2_session_handshake(session.get(), socket.native_handle()); });
    if (result == LIBSSH2_ERROR_EAGAIN) return;
    if (result != 0) return fail_with("handshake: " + handshake_trouble(result));
    if (const auto refused = refuse_host_key()) {
      return fail_for_good("host key: " + *refused);
    }
    phase = Phase::asking_methods;
    ask_methods();
  }

  std::string handshake_trouble(int result) {
    std::string why = last_error();
    if (received > most_before_host_key)
      return "what it sends does not end, and is not what an SSH server sends";
    if (result == LIBSSH2_ERROR_KEX_FAILURE) {
      why +=
          only_rsa_known
              ? fmt::format(
                    "; {} has only an RSA key of it, and those can't be used (libssh2 1.10 knows "
                    "them with SHA-1 only): add its ed25519 key (ssh-keyscan -t ed25519 …)",
                    credentials.known_hosts.path())
              : "; the server needs an ed25519 or ecdsa host key (RSA ones can't be used: libssh2 "
                "1.10 knows them with SHA-1 only)";
    }
    return why;
  }

  // Why the key that the server has shown is not to be trusted.
  std::optional<std::string> refuse_host_key() {
    size_t size = 0;
    int shown = 0;
    const char* raw = ::libssh2_session_hostkey(session.get(), &size, &shown);
    const HostKeyType* type = nullptr;
    for (const HostKeyType& one : host_key_types) {
      if (one.libssh2_type == shown) type = &one;
    }
    const char* digest = ::libssh2_hostkey_hash(session.get(), LIBSSH2_HOSTKEY_HASH_SHA256);
    if (raw == nullptr || digest == nullptr || type == nullptr)
      return "it is of a kind that is not known";
    const std::string key = to_base64({raw, size});
    if (credentials.policy == HostKeyPolicy::any) return std::nullopt;
    const std::string line = fmt::format("{} {}", type->name, key);
    std::string fingerprint = to_base64({digest, 32});  // which OpenSSH shows without padding
    fingerprint.erase(fingerprint.find('='));
    const std::string shown_key = fmt::format("{} SHA256:{}", type->name, fingerprint);
    const std::string& file = credentials.known_hosts.path();
    if (credentials.known_hosts.is_revoked(line))
      return fmt::format("{} is revoked in {}", shown_key, file);
    load_known_hosts();  // another session may have added to it meanwhile
    if (check_known_host(key, type->known_host) == LIBSSH2_KNOWNHOST_CHECK_MATCH)
      return std::nullopt;
    for (const HostKeyType& one : host_key_types) {
      if (check_known_host("", one.known_host) != LIBSSH2_KNOWNHOST_CHECK_MISMATCH) continue;
      return fmt::format(
          "it has changed: {} has another key of this machine than {}; if that is as it should be, "
          "remove the old one (ssh-keygen -R '{}' -f {})",
          file, shown_key,
          target.machine.port == 22
              ? target.machine.host
              : fmt::format("[{}]:{}", target.machine.host, target.machine.port),
          file);
    }
    if (credentials.policy == HostKeyPolicy::accept_new) {
      const auto added =
          credentials.known_hosts.add(target.machine.host, target.machine.port, line);
      return added ? std::nullopt : std::optional(added.error().message);
    }
    return fmt::format(
        "{} does not know this machine ({}): add it (ssh-keyscan -p {} {} >> {}), or set "
        "host-key: accept-new",
        file, shown_key, target.machine.port, target.machine.host, file);
  }

  void ask_methods() {
    const std::string& user = target.machine.user;
    const char* methods = nullptr;
    const int result = call({}, [&] {
      methods =
          ::libssh2_userauth_list(session.get(), user.c_str(), static_cast<unsigned>(user.size()));
      return methods != nullptr ? 0 : ::libssh2_session_last_errno(session.get());
    });
    if (result == LIBSSH2_ERROR_EAGAIN) return;
    if (methods == nullptr) {
      if (::libssh2_userauth_authenticated(session.get()) != 0) return be_up();
      return fail_with("authentication: " + last_error());
    }
    if (std::string_view(methods).find("publickey") == std::string_view::npos) {
      return fail_for_good(fmt::format("authentication: the server takes no public keys, only: {}",
                                       printable_line(methods, 100)));
    }
    phase = Phase::authenticating;
    if (credentials.agent_socket.empty()) return try_next_key();
    waiting_for_agent = true;
    agent = SshAgent::make(loop, credentials.agent_socket);
    agent->ask_for_keys([this](Result<std::vector<AgentKey>> keys) {
      waiting_for_agent = false;
      if (keys) {
        for (AgentKey& key : *keys)
          agent_keys.push_back(std::move(key));
      } else {
        tried.push_back(keys.error().message);
      }
      try_next_key();
    });
  }

  // The agent's keys first; RSA ones come last, as they only work with old servers.
  void try_next_key() {
    key_in_agent.reset();
    key_in_file = nullptr;
    if (!agent_keys.empty()) {
      key_in_agent = std::move(agent_keys.front());
      agent_keys.pop_front();
      tried.push_back(fmt::format("{} of the agent ({})", key_in_agent->type,
                                  printable_line(key_in_agent->comment, 60)));
      rsa_tried |= key_in_agent->type == "ssh-rsa";
    } else if (next_file < credentials.keys.size()) {
      key_in_file = &credentials.keys[next_file++];
      tried.push_back(key_in_file->path);
      rsa_tried |= key_in_file->is_rsa;
    } else {
      return refuse_authentication();
    }
    serve();
  }

  void refuse_authentication() {
    std::string why =
        fmt::format("authentication: {} was refused as user {}",
                    tried.empty() ? "no key to try; it" : joined(tried), target.machine.user);
    if (tried.empty()) {
      why = "authentication: there is no key to try: name one (identity: FILE), or start an agent";
    } else if (rsa_tried) {
      why +=
          "; RSA keys can't be used (libssh2 1.10 signs with SHA-1 only, which servers refuse): "
          "use "
          "an ed25519 or ecdsa key";
    } else {
      why += "; is the public key in its authorized_keys?";
    }
    fail_for_good(why);
  }

  static std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
      text += (text.empty() ? "" : ", ") + word;
    return text;
  }

  void continue_authentication() {
    if (waiting_for_agent || (!key_in_agent && key_in_file == nullptr)) return;
    const std::string& user = target.machine.user;
    const int result = call({}, [&]() -> int {
      if (key_in_agent) {
        void* abstract = this;
        return ::libssh2_userauth_publickey(
            session.get(), user.c_str(),
            reinterpret_cast<const unsigned char*>(key_in_agent->blob.data()),
            key_in_agent->blob.size(), &State::sign, &abstract);
      }
      return ::libssh2_userauth_publickey_frommemory(session.get(), user.c_str(), user.size(),
                                                     nullptr, 0, key_in_file->text.c_str(),
                                                     key_in_file->text.size(), nullptr);
    });
    if (result == LIBSSH2_ERROR_EAGAIN) return;
    if (result == 0) return be_up();
    const bool key_refused = result == LIBSSH2_ERROR_AUTHENTICATION_FAILED ||
                             result == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED ||
                             result == LIBSSH2_ERROR_FILE || result == LIBSSH2_ERROR_METHOD_NONE;
    if (!key_refused) return fail_with("authentication: " + last_error());
    try_next_key();
  }

  // libssh2 asks for a signature, and asks again until there is one.
  static int sign(LIBSSH2_SESSION*, unsigned char** signature, size_t* size,
                  const unsigned char* data, size_t data_size, void** abstract) {
    return static_cast<State*>(*abstract)->sign_with_agent(signature, size, data, data_size);
  }
  int sign_with_agent(unsigned char** signature, size_t* size, const unsigned char* data,
                      size_t data_size) {
    if (waiting_for_agent) return LIBSSH2_ERROR_EAGAIN;
    if (!signed_by_agent) {
      waiting_for_agent = true;
      agent->sign(key_in_agent->blob,
                  std::string_view(reinterpret_cast<const char*>(data), data_size),
                  [this](Result<std::string> result) {
                    waiting_for_agent = false;
                    signed_by_agent = std::move(result);
                    serve();
                  });
      return LIBSSH2_ERROR_EAGAIN;
    }
    const Result<std::string> result = *std::exchange(signed_by_agent, std::nullopt);
    if (!result) {
      tried.push_back(result.error().message);
      return -1;
    }
    *size = result->size();
    *signature = static_cast<unsigned char*>(memory.allocate(result->size()));
    if (*signature == nullptr) return -1;
    std::memcpy(*signature, result->data(), result->size());
    return 0;
  }

  void be_up() {
    phase = Phase::up;
    deadline.cancel();
    known.reset();
    if (agent) agent->close();
    callbacks.on_up();
  }

  // Being up: channels.

  // Serves everything until nothing more can be done without waiting: after a read, what other
  // channels are to have may be in libssh2's memory, where no poll sees it.
  void serve() {
    if (std::exchange(serving, true)) {
      serve_again = true;
      return;
    }
    const auto self = shared_from_this();
    int reads = reads_per_turn;
    received_this_turn = 0;
    socket_is_empty = false;
    size_t received_before = 0;
    do {
      serve_again = false;
      received_before = received;
      if (phase == Phase::handshake) continue_handshake();
      if (phase == Phase::asking_methods) ask_methods();
      if (phase == Phase::authenticating) continue_authentication();
      if (phase == Phase::up) serve_channels(reads);
      // Any call may have taken from the network what another one waits for.
      serve_again |= received != received_before;
    } while (serve_again && phase != Phase::over && reads > 0 &&
             received_this_turn < received_per_turn);
    serving = false;
    if (phase == Phase::over) return;
    if (serve_again) asio::post(loop, [self] { self->serve(); });
    wait_for_socket();
  }

  void serve_channels(int& reads) {
    open_next();
    std::vector<SshChannelId> ids;
    for (const auto& [id, channel] : channels)
      ids.push_back(id);
    for (const SshChannelId id : ids) {
      if (phase == Phase::over) return;
      const auto found = channels.find(id);
      if (found == channels.end()) continue;
      if (found->second.phase == Channel::Phase::running) {
        write_to(id, found->second);
        read_from(id, reads);
      } else if (found->second.phase == Channel::Phase::closing) {
        hang_up(id, found->second);
      }
    }
  }

  // Opening a channel and starting its command keep their state in the session, and answers are
  // matched by their type alone: one channel after the other.
  void open_next() {
    while (phase == Phase::up) {
      if (opening == 0) {
        if (to_open.empty()) return;
        opening = to_open.front();
        to_open.pop_front();
        if (!channels.contains(opening)) {
          opening = 0;
          continue;
        }
        channels.at(opening).phase = Channel::Phase::opening;
        watch_opening();
      }
      Channel& channel = channels.at(opening);
      int result = 0;
      if (channel.handle == nullptr) {
        result = call({}, [&] {
          channel.handle = ::libssh2_channel_open_session(session.get());
          return channel.handle != nullptr ? 0 : ::libssh2_session_last_errno(session.get());
        });
        if (result == 0) channel.phase = Channel::Phase::executing;
      }
      if (result == 0 && channel.handle != nullptr) {
        result = call({}, [&] {
          return ::libssh2_channel_process_startup(channel.handle, "exec", 4,
                                                   channel.command.c_str(),
                                                   static_cast<unsigned>(channel.command.size()));
        });
      }
      if (result == LIBSSH2_ERROR_EAGAIN) return;
      const SshChannelId id = std::exchange(opening, 0);
      deadline.cancel();
      const bool gave_up = !channel.callbacks.on_end;
      if (result == 0) {
        channel.phase = gave_up ? Channel::Phase::closing : Channel::Phase::running;
        serve_again = true;
        continue;
      }
      if (is_fatal(result)) return fail_with("connection: " + last_error());
      const auto on_end = channel.callbacks.on_end;
      const std::string why = last_error();
      close(id);
      if (on_end) on_end("the server refuses another command: " + why);
    }
  }

  void watch_opening() {
    deadline.set(target.connect_timeout, [this] {
      fail_with(fmt::format("connection: no answer within {} to the start of a command",
                            human_duration(target.connect_timeout)));
    });
  }

  static bool is_fatal(int result) {
    return result == LIBSSH2_ERROR_SOCKET_SEND || result == LIBSSH2_ERROR_SOCKET_RECV ||
           result == LIBSSH2_ERROR_SOCKET_DISCONNECT || result == LIBSSH2_ERROR_SOCKET_TIMEOUT ||
           result == LIBSSH2_ERROR_PROTO || result == LIBSSH2_ERROR_DECRYPT ||
           result == LIBSSH2_ERROR_INVALID_MAC || result == LIBSSH2_ERROR_BAD_USE ||
           result == LIBSSH2_ERROR_TIMEOUT || result == LIBSSH2_ERROR_ALLOC ||
           result == LIBSSH2_ERROR_OUT_OF_BOUNDARY || result == LIBSSH2_ERROR_BAD_SOCKET;
  }

  void write_to(SshChannelId id, Channel& channel) {
    while (!channel.unsent.empty()) {
      const std::string& bytes = channel.unsent.front();
      const ssize_t wrote = call({Call::Kind::write, id, 0}, [&] {
        return ::libssh2_channel_write_ex(channel.handle, 0, bytes.data() + channel.sent,
                                          bytes.size() - channel.sent);
      });
      if (wrote == LIBSSH2_ERROR_EAGAIN || wrote == 0) return;
      if (wrote < 0) {
        channel.sent = 0;
        if (is_fatal(static_cast<int>(wrote))) return fail_with("connection: " + last_error());
        channel.unsent.clear();  // the far side has closed it; its end will be read
        return;
      }
      channel.sent += static_cast<size_t>(wrote);
      if (channel.sent < bytes.size()) continue;
      channel.unsent.pop_front();
      channel.sent = 0;
    }
    if (!channel.end_input || channel.input_ended) return;
    const int result = call({Call::Kind::write, id, 1},
                            [&] { return ::libssh2_channel_send_eof(channel.handle); });
    if (result != LIBSSH2_ERROR_EAGAIN) channel.input_ended = true;
  }

  // Both of its streams must be read, or the far side stops.
  void read_from(SshChannelId id, int& reads) {
    static std::array<char, 65536> buffer;
    for (const int stream : {0, SSH_EXTENDED_DATA_STDERR}) {
      for (int share = reads_per_stream;; --share) {
        const auto found = channels.find(id);
        if (phase == Phase::over || found == channels.end() ||
            found->second.phase != Channel::Phase::running)
          return;
        if (share == 0) {
          serve_again = true;
          break;
        }
        const Channel& channel = found->second;
        const ssize_t got = call({Call::Kind::read, id, stream}, [&] {
          return ::libssh2_channel_read_ex(channel.handle, stream, buffer.data(), buffer.size());
        });
        if (got == LIBSSH2_ERROR_EAGAIN || got == 0) break;
        if (got < 0) return fail_with("connection: " + last_error());
        --reads;
        // It may close the channel, and with it the callback.
        if (const auto on_output = channel.callbacks.on_output) {
          on_output(stream == 0 ? Stream::standard_output : Stream::standard_error,
                    {buffer.data(), static_cast<size_t>(got)});
        }
      }
    }
    const auto found = channels.find(id);
    if (stuck || found == channels.end() || ::libssh2_channel_eof(found->second.handle) != 1)
      return;
    const auto on_end = found->second.callbacks.on_end;
    close(id);
    if (on_end) on_end(std::nullopt);
  }

  void hang_up(SshChannelId id, Channel& channel) {
    if (stuck && stuck->channel == id && stuck->kind != Call::Kind::close) return unstick(channel);
    const int result =
        call({Call::Kind::close, id, 0}, [&] { return ::libssh2_channel_free(channel.handle); });
    if (result == LIBSSH2_ERROR_EAGAIN) return;
    channels.erase(id);
  }

  // Nobody wants the channel any more, but all others wait until this call has sent what it had to.
  void unstick(Channel& channel) {
    static std::array<char, 65536> ignored;
    const Call which = *stuck;
    call(which, [&]() -> ssize_t {
      if (which.kind == Call::Kind::read) {
        return ::libssh2_channel_read_ex(channel.handle, which.stream, ignored.data(),
                                         ignored.size());
      }
      if (which.stream != 0) return ::libssh2_channel_send_eof(channel.handle);
      const std::string& bytes = channel.unsent.front();
      return ::libssh2_channel_write_ex(channel.handle, 0, bytes.data() + channel.sent,
                                        bytes.size() - channel.sent);
    });
  }

  SshChannelId open(std::string command, ChannelCallbacks channel_callbacks) {
    const SshChannelId id = ++last_channel;
    Channel& channel = channels[id];
    channel.command = std::move(command);
    channel.callbacks = std::move(channel_callbacks);
    to_open.push_back(id);
    serve_soon();
    return id;
  }

  void write(SshChannelId id, std::string bytes, bool last) {
    const auto found = channels.find(id);
    if (found == channels.end()) return;
    if (!bytes.empty()) found->second.unsent.push_back(std::move(bytes));
    found->second.end_input |= last;
    serve_soon();
  }

  void close(SshChannelId id) {
    const auto found = channels.find(id);
    if (found == channels.end()) return;
    Channel& channel = found->second;
    channel.callbacks = {};
    if (id == opening) return;  // its opening has to come to its end
    if (channel.handle == nullptr) {
      channels.erase(found);
      return;
    }
    channel.phase = Channel::Phase::closing;
    serve_soon();
  }

  // The plumbing.

  template <class Do>
  auto call(const Call& which, const Do& perform) -> decltype(perform()) {
    using Answer = decltype(perform());
    if (phase == Phase::over || (stuck && *stuck != which)) return Answer{LIBSSH2_ERROR_EAGAIN};
    const bool was_stuck = stuck.has_value();
    const Answer result = perform();
    stuck.reset();
    if (result == LIBSSH2_ERROR_EAGAIN &&
        (::libssh2_session_block_directions(session.get()) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0) {
      stuck = which;
    } else if (was_stuck) {
      serve_again = true;  // what the others are to have may be in memory already
    }
    return result;
  }

  void serve_soon() {
    serve_again = true;
    if (serving || phase != Phase::up || std::exchange(serve_posted, true)) return;
    asio::post(loop, [self = shared_from_this()] {
      self->serve_posted = false;
      self->serve();
    });
  }

  void wait_for_socket() {
    // Where nothing would read, data would wake us again and again.
    const bool reads = !stuck && !waiting_for_agent && (phase != Phase::up || !channels.empty());
    if (reads && !std::exchange(waiting_to_read, true)) {
      socket.async_wait(Descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          self->waiting_to_read = false;
                          if (!error) self->serve();
                        });
    }
    const bool wants_to_write =
        (::libssh2_session_block_directions(session.get()) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
    if (wants_to_write && !std::exchange(waiting_to_write, true)) {
      socket.async_wait(Descriptor::wait_write,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          self->waiting_to_write = false;
                          if (!error) self->serve();
                        });
    }
  }

  [[nodiscard]] std::string last_error() const {
    char* text = nullptr;
    const int number = session ? ::libssh2_session_last_error(session.get(), &text, nullptr, 0) : 0;
    std::string why = text != nullptr && *text != '\0' ? printable_line(text, 200)
                                                       : fmt::format("libssh2 error {}", number);
    if (number == LIBSSH2_ERROR_SOCKET_RECV || number == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
        number == LIBSSH2_ERROR_SOCKET_SEND)
      why = "the connection was closed or reset";
    const std::string proxy = connection ? connection->complaint() : "";
    return proxy.empty() ? why : fmt::format("{} (proxy-command: {})", why, proxy);
  }

  void fail_for_good(const std::string& why) { fail_with(why, true); }

  void fail_with(const std::string& why, bool for_good = false) {
    if (phase == Phase::over) return;
    std::string text = why;
    if (phase == Phase::connecting && connection && !connection->complaint().empty())
      text += fmt::format(" ({})", connection->complaint());
    shut_down();
    if (const auto on_failed = std::exchange(callbacks, {}).on_failed) {
      asio::post(loop, [on_failed, failure = SshFailure{text, for_good}, weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && !self->abandoned) on_failed(failure);
      });
    }
  }

  void shut_down() {
    if (phase == Phase::over) return;
    phase = Phase::over;
    deadline.cancel();
    if (agent) agent->close();
    if (socket.is_open()) ::shutdown(socket.native_handle(), SHUT_RDWR);
    // Not from within a call of its own.
    asio::post(loop, [self = shared_from_this()] {
      self->known.reset();
      self->session.reset();
      boost::system::error_code ignored;
      self->socket.close(ignored);
      self->connection.reset();
      self->channels.clear();
    });
  }

  asio::io_context& loop;
  SshTarget target;
  SshCredentials& credentials;
  Callbacks callbacks;
  Phase phase = Phase::connecting;
  bool abandoned = false;

  std::unique_ptr<SshConnection> connection;
  Descriptor socket;
  Deadline deadline;  // of connecting, and then of opening a channel
  SshMemory memory{most_memory};
  Session session{nullptr, free_session};
  std::unique_ptr<LIBSSH2_KNOWNHOSTS, void (*)(LIBSSH2_KNOWNHOSTS*)> known{
      nullptr, ::libssh2_knownhost_free};
  bool only_rsa_known = false;

  std::shared_ptr<SshAgent> agent;
  std::deque<AgentKey> agent_keys;
  std::optional<AgentKey> key_in_agent;  // being tried
  const PrivateKey* key_in_file = nullptr;
  size_t next_file = 0;
  std::optional<Result<std::string>> signed_by_agent;
  bool waiting_for_agent = false;
  std::vector<std::string> tried;
  bool rsa_tried = false;

  std::map<SshChannelId, Channel> channels;
  std::deque<SshChannelId> to_open;
  SshChannelId last_channel = 0;
  SshChannelId opening = 0;
  std::optional<Call> stuck;
  size_t received = 0, received_this_turn = 0;  // bytes
  bool socket_is_empty = false;                 // as far as this turn knows
  bool serving = false, serve_again = false, serve_posted = false;
  bool waiting_to_read = false, waiting_to_write = false;
};

SshSession::SshSession(asio::io_context& loop, SshTarget target, SshCredentials& credentials,
                       Callbacks callbacks)
    : state_(std::make_shared<State>(loop, std::move(target), credentials, std::move(callbacks))) {
  state_->start();
}

SshSession::~SshSession() {
  state_->abandoned = true;
  state_->callbacks = {};
  for (auto& [id, channel] : state_->channels)
    channel.callbacks = {};
  state_->shut_down();
}

SshChannelId SshSession::open(std::string command, ChannelCallbacks callbacks) {
  return state_->open(std::move(command), std::move(callbacks));
}

void SshSession::write(SshChannelId channel, std::string bytes, bool last) {
  state_->write(channel, std::move(bytes), last);
}

void SshSession::close(SshChannelId channel) {
  state_->close(channel);
}

}  // namespace ffci
