// Base64 of RFC 4648, as SSH has it in keys and fingerprints.
#pragma once

#include <string>
#include <string_view>

namespace ffci {

// With padding, on one line.
[[nodiscard]] std::string to_base64(std::string_view bytes);

}  // namespace ffci
