// What a person types to give an attached job its ranks.
#pragma once

#include <string>

#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// What the line is made of, beside the job.
struct AttachPrograms {
  std::string mpirun;
  std::string worker;
  std::string coordinator;  // endpoint
  std::string keys;         // directory of its keys; empty: it has none
};

// One line for a shell of this machine and this user, as an agent would start the ranks: any other number of them
// does as well. Empty unless the job waits for its mpirun.
std::string AttachCommand(const stillhouse::v1::Job& job, const AttachPrograms& programs);

}  // namespace still::coordinator
