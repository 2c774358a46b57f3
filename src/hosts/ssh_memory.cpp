#include "hosts/ssh_memory.hpp"

#include <cstdlib>

namespace ffci {

// What stands before each piece that libssh2 has.
struct alignas(std::max_align_t) SshMemory::Block {
  Block *previous, *next;
  size_t size;

  static Block* of(void* memory) { return static_cast<Block*>(memory) - 1; }
};

SshMemory::~SshMemory() {
  while (first_ != nullptr)
    release(first_ + 1);
}

void* SshMemory::reallocate(void* memory, size_t size) {
  Block* const old = memory == nullptr ? nullptr : Block::of(memory);
  const size_t before = old == nullptr ? 0 : old->size;
  if (size > most_ || used_ - before + size > most_) return nullptr;
  auto* made = static_cast<Block*>(std::realloc(old, sizeof(Block) + size));
  if (made == nullptr) return nullptr;
  if (old == nullptr) {
    made->previous = nullptr;
    made->next = first_;
  }
  made->size = size;
  (made->previous == nullptr ? first_ : made->previous->next) = made;
  if (made->next != nullptr) made->next->previous = made;
  used_ += size - before;
  return made + 1;
}

void SshMemory::release(void* memory) {
  if (memory == nullptr) return;
  Block* const block = Block::of(memory);
  (block->previous == nullptr ? first_ : block->previous->next) = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
  used_ -= block->size;
  std::free(block);
}

}  // namespace ffci
