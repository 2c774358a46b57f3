// Where s3://bucket/key is, and as whom it is asked for: what the environment's AWS_… variables
// say. For fetch. Asks nobody: no files of ~/.aws, no metadata service.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "remote/variables.hpp"

namespace ffci {

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty: there is none
};

struct S3Object {
  std::string url;  // its key is encoded as a signature wants it
  std::string region;
  std::optional<S3Credentials> credentials;  // none: anonymous
};

// Error (data): the URL or a variable is malformed. Names the variable, never its value.
[[nodiscard]] Result<S3Object> find_s3_object(const std::string& url, const Variables& variables);

}  // namespace ffci
