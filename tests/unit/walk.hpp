// How tests that walk over every byte of a text keep from taking long under the sanitizers.
#pragma once

#include <cstddef>

namespace ffci {

// The step: each byte, but under the sanitizers, where one takes ten times as long, each fifth.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FFCI_IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(FFCI_IS_SANITIZED)
inline constexpr std::size_t walk_step = 5;
#else
inline constexpr std::size_t walk_step = 1;
#endif

}  // namespace ffci
