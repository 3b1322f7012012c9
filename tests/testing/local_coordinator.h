// A coordinator in memory, for ranks that are threads: collects checkpoints, grants generations, remembers progress.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/storage/checkpoint.h"
#include "worker/control/control_link.h"

namespace still::testing {

class LocalCoordinator {
 public:
  // A rank's link; the coordinator outlives it.
  std::unique_ptr<worker::ControlLink> Connect(int rank);

  // Forgets every published checkpoint.
  void Forget();
  // Returns the published checkpoints, newest first.
  std::vector<v1::CheckpointManifest> Checkpoints() const;
  std::vector<std::uint64_t> steps_reported() const;  // of every progress report, in order
  v1::Progress last_progress() const;
  std::string trouble() const;

  std::uint64_t generation = 1;
  bool refuse_shrink = false;
  bool deaf = false;     // takes no parts in
  std::set<int> fenced;  // ranks that Poll tells so

 private:
  friend class LocalControlLink;
  struct Pending {
    std::uint32_t reports = 0;
    std::map<std::string, v1::CheckpointPart> parts;
  };

  mutable std::mutex mutex_;                // guards what follows
  std::map<std::string, Pending> pending_;  // by the bytes of their info
  std::map<std::uint64_t, v1::CheckpointManifest> published_;
  std::vector<std::uint64_t> steps_reported_;
  v1::Progress last_progress_;
  std::string trouble_;
};

}  // namespace still::testing
