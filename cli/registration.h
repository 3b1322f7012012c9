// The commands by groups: each function adds its subcommands to `app`. The one that is parsed sets `action` to what is
// to be done. What a command's options are read into lives as long as `app`.
#pragma once

#include <functional>

#include "common/status.h"

namespace CLI {
class App;
}

namespace still::cli {

using Action = std::function<Status()>;

void RegisterRun(CLI::App& app, Action& action);        // run
void RegisterArtifacts(CLI::App& app, Action& action);  // corpus, targets, checkpoint
void RegisterJobs(CLI::App& app, Action& action);       // submit, queue, show, why, logs, cancel, ..., report
void RegisterServe(CLI::App& app, Action& action);      // serve, agent, keys
void RegisterHosts(CLI::App& app, Action& action);      // nodes, drain, undrain

}  // namespace still::cli
