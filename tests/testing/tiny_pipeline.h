// A pipeline small enough to run dozens of times: a generated 4-layer teacher without a head over the real vocabulary,
// parts of a real book, a handful of steps. Real binaries, real mpirun.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/testing/process.h"

namespace still::testing {

class TinyPipeline {
 public:
  // Writes teacher and configuration under `directory`. `data` is the directory of scripts/fetch_demo_data.sh.
  TinyPipeline(std::string directory, std::string data);

  // `key: value` lines that replace ones of the default configuration, e.g. {"ranks", "3"} or {"train.max_steps", "4"}.
  void Set(const std::string& key, const std::string& value);
  // Writes the configuration and runs `still run` on it.
  ProcessResult Run(const std::vector<std::string>& flags = {},
                    const std::map<std::string, std::string>& environment = {});
  std::vector<std::string> Command(const std::vector<std::string>& flags = {});

  std::string artifacts() const { return directory_ + "/artifacts"; }
  std::string teacher() const { return directory_ + "/teacher"; }
  std::string config_path() const { return directory_ + "/tiny.yaml"; }
  // SHA-256 of the student's weights; empty when there is no student.
  std::string StudentDigest() const;
  // Returns the manifest of the targets, with the digest of every shard; empty when there is no such artifact.
  std::string TargetsManifest() const;
  // Directories of one kind of artifact, temporaries included.
  std::vector<std::string> Artifacts(const std::string& kind) const;

 private:
  void WriteTeacher(const std::string& data) const;
  void WriteBooks(const std::string& data) const;

  std::string directory_;
  std::map<std::string, std::string> settings_;
};

// Flags of `still run`: it ends after that stage, and these faults strike on the way.
std::vector<std::string> UntilWithFaults(const std::string& stage, const std::vector<std::string>& faults);

// Returns the directory of the demo's data, or "" when it was not fetched.
std::string DemoData();

}  // namespace still::testing
