// Artifacts are immutable directories, named by the digest of everything that determined them:
//   <root>/<kind>/<digest>/  { identity.txt, summary.json, ... }
// An artifact exists when its directory does, because it is renamed into place complete.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/status.h"
#include "common/storage/files.h"
#include "common/storage/staging.h"

namespace still {

// The artifacts under one root. It holds no state but the path, so any thread and any number of processes may use one
// root. Two processes that build the same digest at once both succeed: the first rename wins, and the bytes are equal.
class ArtifactStore {
 public:
  explicit ArtifactStore(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  // Returns the final directory of an artifact, whether it exists or not.
  std::string PathOf(std::string_view kind, std::string_view digest) const;
  bool Has(std::string_view kind, std::string_view digest) const;

  // Returns a staged directory for an artifact, with identity.txt written. Commit it with CommitArtifact.
  Result<std::unique_ptr<StagedDirectory>> Begin(std::string_view kind, const IdentityBuilder& identity) const;

 private:
  std::string root_;
};

// The numbers that an artifact's maker counted and measured. They are kept in the artifact as summary.json, one flat
// object. So a report shows the same whether the artifact was made now or reused.
using Summary = std::map<std::string, double>;
Status WriteSummary(const std::string& artifact_directory, const Summary& summary);
Result<Summary> ReadSummary(const std::string& artifact_directory);

// Commits an artifact. Another process that committed the same one first (ALREADY_EXISTS) is success.
Status CommitArtifact(StagedDirectory& staged);

}  // namespace still
