// still queue, history, nodes, events, why, show, top: asking the coordinator what is going on.
#pragma once

#include <cstdint>
#include <string>

#include "cli/connection.h"
#include "common/status.h"

namespace still::cli {

struct ViewFlags {
  ConnectionFlags connection;
  bool json = false;        // the view as the coordinator gives it
  std::string job;          // an id or a name; empty: all
  std::uint32_t limit = 0;  // rows; 0: as many as the coordinator gives
  bool follow = false;      // events: go on
  bool once = false;        // top: one picture
};

Status QueueCommand(const ViewFlags& flags);
Status HistoryCommand(const ViewFlags& flags);
Status NodesCommand(const ViewFlags& flags);
Status EventsCommand(const ViewFlags& flags);
Status WhyCommand(const ViewFlags& flags);
Status ShowCommand(const ViewFlags& flags);
// On a terminal drawn anew every second until interrupted; elsewhere, with --once and with --json, once.
Status TopCommand(const ViewFlags& flags);

}  // namespace still::cli
