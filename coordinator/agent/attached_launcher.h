// An mpirun that a person typed, seen as a launch: nothing is started, the ranks ask for their task. It runs as long as
// guardians of it are heard; ending it means no longer answering them, which they do not survive for long.
// Listening's callbacks come from the thread that serves the launch, as does every call of the launched job.
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
  // `publish` is handed the task of the ranks. `is_made` says whether the artifact exists.
  AttachedLauncher(std::function<void(v1::WorkerTask)> publish, std::function<bool()> is_made, Clock& clock);
  ~AttachedLauncher() override;

  // `callbacks`, which also tell this launcher when a rank is heard.
  AgentCallbacks Listening(AgentCallbacks callbacks);
  // Once: who types mpirun again is another attempt. UNAVAILABLE the second time.
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
