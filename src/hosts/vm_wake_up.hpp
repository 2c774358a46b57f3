// What a VM that starts from another's state gets of its own before anything else: the time,
// entropy, a machine id and its name.
#pragma once

#include <string>

namespace ffci {

// What a VM calls itself: small letters, digits and '-'.
[[nodiscard]] std::string guest_name(const std::string& host);

// For /bin/sh in the VM of this host; holds the time of now. Says what it could not do.
[[nodiscard]] std::string wake_up_script(const std::string& host);

}  // namespace ffci
