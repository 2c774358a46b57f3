// Errors are values. Result<T> is what a function returns that can fail for a reason a user should
// read. The kind chooses the exit code; the message is a lowercase fragment that names the
// offending value and says what to do. A test's outcome is never an Error.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace ffci {

enum class ErrorKind {
  usage,        // the command line
  data,         // malformed input data
  no_input,     // an input file is missing or unreadable
  bad_spec,     // the job spec
  unavailable,  // no usable host
  internal,     // a bug of ours, or the system refused something it should not
  io,           // results or a report could not be written
  temporary,    // try again later
  interrupted,  // SIGINT
  terminated,   // SIGTERM
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

}  // namespace ffci
