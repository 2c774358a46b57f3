// The memory of one libssh2 session: bounded, because a hostile server can make libssh2 ask for
// ever more, and given back as a whole at the end, because libssh2 1.10 forgets some of it (51
// bytes with each new exchange of keys).
//
// Must outlive the session and all that libssh2 has made for it.
#pragma once

#include <cstddef>

namespace ffci {

class SshMemory {
 public:
  explicit SshMemory(size_t most_bytes) : most_(most_bytes) {}
  ~SshMemory();
  SshMemory(const SshMemory&) = delete;
  SshMemory& operator=(const SshMemory&) = delete;

  // As malloc(3), realloc(3) and free(3); null, with nothing changed, beyond the bound.
  void* allocate(size_t size) { return reallocate(nullptr, size); }
  void* reallocate(void* memory, size_t size);
  void release(void* memory);

 private:
  struct Block;
  Block* first_ = nullptr;
  size_t most_, used_ = 0;  // bytes
};

}  // namespace ffci
