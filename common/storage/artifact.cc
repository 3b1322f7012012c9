#include "common/storage/artifact.h"

#include <nlohmann/json.hpp>

namespace still {

std::string ArtifactStore::PathOf(std::string_view kind, std::string_view digest) const {
  return JoinPath(JoinPath(root_, kind), digest);
}

bool ArtifactStore::Has(std::string_view kind, std::string_view digest) const { return Exists(PathOf(kind, digest)); }

Result<std::unique_ptr<StagedDirectory>> ArtifactStore::Begin(std::string_view kind,
                                                              const IdentityBuilder& identity) const {
  STILL_ASSIGN_OR_RETURN(auto staged, StagedDirectory::Create(PathOf(kind, identity.Digest())));
  STILL_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(staged->path(), "identity.txt"), identity.text()));
  return staged;
}

Status WriteSummary(const std::string& artifact_directory, const Summary& summary) {
  return WriteFileAtomically(JoinPath(artifact_directory, "summary.json"), nlohmann::json(summary).dump(2) + "\n");
}

Result<Summary> ReadSummary(const std::string& artifact_directory) {
  const std::string path = JoinPath(artifact_directory, "summary.json");
  STILL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Error(Code::kDataLoss, "{}: not a JSON object: remove the directory {} and run again to make it anew", path,
                 artifact_directory);
  }
  Summary summary;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_number() && !value.is_null()) {
      return Error(Code::kDataLoss, "{}: the value of '{}' is not a number", path, name);
    }
    summary[name] =
        value.is_null() ? std::nan("") : value.get<double>();  // JSON writes numbers that are not finite as null
  }
  return summary;
}

Status CommitArtifact(StagedDirectory& staged) {
  Status status = staged.Commit();
  return status.code() == Code::kAlreadyExists ? Ok() : status;
}

}  // namespace still
