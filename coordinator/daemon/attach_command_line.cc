#include "coordinator/daemon/attach_command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cluster/mpirun_command.h"
#include "coordinator/jobs/state.h"

namespace still::coordinator {

std::string AttachCommand(const v1::Job& job, const AttachPrograms& programs) {
  if (!job.attached() || !IsQueued(job.state())) return "";
  cluster::LaunchSpec spec{.ranks = job.spec().ranks(),
                           .threads_per_rank = job.spec().slots_per_rank(),
                           .program = programs.worker,
                           .arguments = {"--coordinator", programs.coordinator, "--job", fmt::to_string(job.id())},
                           .as_root = ::geteuid() == 0};
  if (!programs.keys.empty()) spec.arguments.insert(spec.arguments.end(), {"--keys", programs.keys});
  return cluster::ShellText(cluster::MpirunCommand(programs.mpirun, spec));
}

}  // namespace still::coordinator
