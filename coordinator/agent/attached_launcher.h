// Presents an mpirun that a person typed as a launch. Nothing is started here: the ranks ask for their task. The launch
// runs as long as its guardians send heartbeats. It is ended by no longer answering them, which they do not survive for
// long. One thread: the one that serves the launch calls the launched job and the callbacks of Listening().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/launcher.h"
#include "common/clock.h"
#include "common/proto/control.pb.h"
#include "coordinator/agent/launcher_agent.h"

namespace still::coordinator {

class AttachedLauncher : public cluster::Launcher {
 public:
  // `publish` gets the task of the ranks. `is_made` returns whether the artifact stands. `clock` outlives this.
  AttachedLauncher(std::function<void(v1::WorkerTask)> publish, std::function<bool()> is_made, Clock& clock);
  ~AttachedLauncher() override;

  // Returns `callbacks`, extended so that they also tell this launcher when a rank reports.
  AgentCallbacks Listening(AgentCallbacks callbacks);
  // Publishes the task. UNAVAILABLE the second time, because an mpirun that is typed again is another attempt.
  Result<std::unique_ptr<cluster::LaunchedJob>> Launch(const cluster::LaunchSpec& spec) override;

 private:
  struct Hearing;

  const std::function<void(v1::WorkerTask)> publish_;
  const std::function<bool()> is_made_;
  Clock& clock_;
  const std::shared_ptr<Hearing> hearing_;
  bool launched_ = false;
};

}  // namespace still::coordinator
