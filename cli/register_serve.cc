#include <CLI/CLI.hpp>
#include <memory>

#include "cli/keys_command.h"
#include "cli/registration.h"
#include "cli/serve_command.h"

namespace still::cli {

void RegisterServe(CLI::App& app, Action& action) {
  const auto flags = std::make_shared<ServeFlags>();
  CLI::App* serve = app.add_subcommand("serve", "Run the coordinator: queue, scheduler, status page (stilld)");
  serve->add_option("--state", flags->state, "its state directory; else $STILL_STATE, else ~/.local/state/stillhouse")
      ->type_name("DIR");
  serve->add_option("--hosts", flags->hostfile, "hostfile: `name slots=N` a line; without one, this machine's cores")
      ->type_name("FILE");
  serve->add_option("--listen", flags->listen, "for clients and agents; port * takes a free one")
      ->type_name("ENDPOINT")
      ->capture_default_str();
  serve->add_option("--http", flags->http_address, "address of the status page, JSON API and metrics")
      ->type_name("ADDRESS")
      ->capture_default_str();
  serve->add_option("--http-port", flags->http_port, "its port; 0 takes a free one")
      ->type_name("PORT")
      ->capture_default_str();
  serve->add_option("--address", flags->address, "of this machine, as the hosts of the hostfile reach it")
      ->type_name("ADDRESS");
  serve->add_option("--network", flags->network, "that ranks talk over, 10.0.0.0/24; without it mpirun chooses")
      ->type_name("CIDR");
  serve->add_option("--ssh-identity", flags->ssh_identity, "private key for the hosts")->type_name("FILE");
  serve->add_option("--ssh-argument", flags->ssh_arguments, "more of ssh's arguments; may be repeated")
      ->type_name("ARG")
      ->allow_extra_args(false);
  serve->add_flag("--no-http", flags->no_http, "no status page");
  serve->add_flag("--no-keys", flags->no_keys,
                  "let in every user of this machine (loopback only): for a container of your own");
  serve->callback([flags, &action] { action = [flags] { return ServeCommand(*flags); }; });

  const auto directory = std::make_shared<std::string>();
  CLI::App* keys = app.add_subcommand("keys", "A coordinator's keys, which its first start makes if you did not")
                       ->require_subcommand(1);
  CLI::App* made = keys->add_subcommand("new", "Make keys; those that are there are never replaced");
  made->add_option("--directory", *directory, "instead of keys/ in the coordinator's state directory")
      ->type_name("DIR");
  made->callback([directory, &action] { action = [directory] { return NewKeysCommand(*directory); }; });

  const auto task = std::make_shared<std::string>();
  CLI::App* agent = app.add_subcommand("agent", "")->group("");  // what the coordinator starts: no command for people
  agent->add_option("--task", *task)->required();
  agent->callback([task, &action] { action = [task] { return AgentCommand(*task); }; });
}

}  // namespace still::cli
