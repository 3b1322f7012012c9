// Tells whether the artifact of a job exists.
#pragma once

#include <cstdint>
#include <functional>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"

namespace still::coordinator {

// The state of knowledge about an artifact.
class ArtifactProbe {
 public:
  // The file system has answered.
  // NOLINTNEXTLINE(google-explicit-constructor): a probe that blocks until it has the answer returns a bool.
  ArtifactProbe(bool made) : known_(true), made_(made) {}
  // The file system was asked `unanswered_ms` ago, and has not answered.
  static ArtifactProbe Unknown(std::int64_t unanswered_ms) {
    ArtifactProbe probe(false);
    probe.known_ = false;
    probe.unanswered_ms_ = unanswered_ms;
    return probe;
  }

  bool known() const { return known_; }
  bool made() const { return made_; }
  std::int64_t unanswered_ms() const { return unanswered_ms_; }

 private:
  bool known_;
  bool made_;
  std::int64_t unanswered_ms_ = 0;
};

// Returns what is known of a job's artifact, without waiting for any file system.
using ArtifactProber = std::function<ArtifactProbe(const v1::JobSpec&)>;

}  // namespace still::coordinator
