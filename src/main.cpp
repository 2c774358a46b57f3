#include "cli/cli.hpp"

int main(int argc, char** argv) {
  return ffci::run_command_line(argc, argv);
}
