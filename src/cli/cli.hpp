// The command line: ff-ci COMMAND … . Returns the process's exit code; never throws, never exits.
#pragma once

namespace ffci {

int run_command_line(int argc, char** argv);

}  // namespace ffci
