// Artifacts: immutable directories named by the digest of everything that determined them,
//   <root>/<kind>/<digest>/  { identity.txt, summary.json, ... }
// An artifact exists when its directory does: it is renamed into place complete, or it is not there at all.
// Stateless over the file system; any number of processes may use one root. Two that build the same digest at once
// both succeed: the first rename wins and the bytes are equal by construction.
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

class ArtifactStore {
 public:
  explicit ArtifactStore(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  // Final directory of an artifact, whether it exists or not.
  std::string PathOf(std::string_view kind, std::string_view digest) const;
  bool Has(std::string_view kind, std::string_view digest) const;

  // A staging directory for it, with identity.txt written. Commit it with CommitArtifact.
  Result<std::unique_ptr<StagedDirectory>> Begin(std::string_view kind, const IdentityBuilder& identity) const;

 private:
  std::string root_;
};

// The numbers an artifact's maker counted and measured, kept in it as summary.json (one flat object): what a report
// shows is the same whether the artifact was made now or reused.
using Summary = std::map<std::string, double>;
Status WriteSummary(const std::string& artifact_directory, const Summary& summary);
Result<Summary> ReadSummary(const std::string& artifact_directory);

// Commit that treats ALREADY_EXISTS as success.
Status CommitArtifact(StagedDirectory& staged);

}  // namespace still
