// LocatedJson is a JSON document that knows where in its file each of its values is, so that
// complaints can point there.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ffci {

class LocatedJson {
 public:
  using Pointer = nlohmann::json::json_pointer;

  // Error (data): "FILE:LINE:COLUMN: what is wrong".
  [[nodiscard]] static Result<LocatedJson> parse(std::string file, std::string_view text);

  [[nodiscard]] const nlohmann::json& root() const { return root_; }
  // "FILE:LINE:COLUMN"; of the nearest value around it where `value` is none.
  [[nodiscard]] std::string where(Pointer value) const;
  // "[0].tests[3].name"
  [[nodiscard]] std::string path(const Pointer& value) const;

 private:
  std::string file_;
  nlohmann::json root_;
  std::map<std::string, std::string> places_;  // "LINE:COLUMN" by JSON pointer
};

}  // namespace ffci
