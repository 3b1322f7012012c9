// The command that gives an attached job its ranks.
#pragma once

#include <string>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// The things that the command needs beside the job.
struct AttachPrograms {
  std::string mpirun;
  std::string worker;
  std::string coordinator;  // endpoint
  std::string keys;         // directory of the coordinator's keys; empty: it has none
};

// Returns a command line for a shell of this user on this machine. It starts the ranks as an agent would; another
// number of ranks works as well. Returns an empty string unless the job waits for its mpirun.
std::string AttachCommand(const v1::Job& job, const AttachPrograms& programs);

}  // namespace still::coordinator
