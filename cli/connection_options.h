// Options that every command which talks to the coordinator has.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/connection.h"

namespace still::cli {

inline void AddConnectionOptions(CLI::App* command, ConnectionFlags& flags) {
  command->add_option("--coordinator", flags.coordinator, "where it listens, tcp://127.0.0.1:5600 (see still --help)")
      ->type_name("ENDPOINT");
  command
      ->add_option("--state", flags.state,
                   "its state directory, which says where it listens and has its keys (see still --help)")
      ->type_name("DIR");
  command->add_option("--keys", flags.keys, "client keys for it (see still --help)")->type_name("DIR");
}

}  // namespace still::cli
