// still report
#pragma once

#include <string>

#include "cli/connection.h"
#include "cli/sweep_report.h"
#include "common/status.h"

namespace still::cli {

struct ReportFlags {
  ConnectionFlags connection;
  std::string pipeline;  // a YAML file, or the id or name of a submitted pipeline
  bool json = false;
};

// Prints the table of the pipeline's students and writes it, as sweep.md, sweep.json and sweep.svg, to
// <artifacts>/runs/<name>/. Of a YAML file no coordinator is asked: its results are where its plan says.
Status ReportCommand(const ReportFlags& flags);

}  // namespace still::cli
