// schemas/history.sql, as it is compiled into the program.
#pragma once

namespace ffci {

extern const char* const history_schema;

}  // namespace ffci
