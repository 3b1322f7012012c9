// Options that every command which talks to the coordinator has.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/connection.h"

namespace still::cli {

inline void AddConnectionOptions(CLI::App* command, ConnectionFlags& flags) {
  command
      ->add_option("--coordinator", flags.coordinator,
                   "where it listens, tcp://127.0.0.1:5600; else $STILL_COORDINATOR, else as its state directory says")
      ->type_name("ENDPOINT");
  command
      ->add_option("--state", flags.state,
                   "the coordinator's state directory; else $STILL_STATE, else ~/.local/state/stillhouse")
      ->type_name("DIR");
  command->add_option("--keys", flags.keys, "client keys for it; else $STILL_KEYS, else keys/ of the state directory")
      ->type_name("DIR");
}

}  // namespace still::cli
