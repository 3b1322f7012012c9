#include "coordinator/launch/checkpoint_collector.h"

#include <fmt/ranges.h>
#include <google/protobuf/util/message_differencer.h>

namespace still::coordinator {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr std::uint32_t kMostParts = 1'000'000;

// Returns "3f00aa11 on ranks 0, 2; 77bc0012 on rank 1".
std::string Groups(const std::map<std::string, std::vector<std::uint32_t>>& ranks_of) {
  std::vector<std::string> groups;
  for (const auto& [value, ranks] : ranks_of)
    groups.push_back(fmt::format("{} on rank{} {}", value, ranks.size() > 1 ? "s" : "", fmt::join(ranks, ", ")));
  return fmt::format("{}", fmt::join(groups, "; "));
}

Status CheckShare(std::uint32_t rank, const v1::PartsWritten& share) {
  if (!share.has_info()) return Error(Code::kInternal, "rank {}: a checkpoint without a description", rank);
  if (share.total_parts() > 0 && share.total_parts() <= kMostParts && share.ranks() > 0) return Ok();
  return Error(Code::kInternal, "rank {} reports a checkpoint of {} parts on {} ranks, which cannot be", rank,
               share.total_parts(), share.ranks());
}

}  // namespace

Result<std::optional<v1::CheckpointManifest>> CheckpointCollector::Add(std::uint32_t rank,
                                                                       const v1::PartsWritten& share) {
  STILL_RETURN_IF_ERROR(CheckShare(rank, share));
  const Key key(share.info().step(), share.info().generation());
  Shares& shares = pending_[key];
  shares.insert_or_assign(rank, share);
  if (shares.size() == share.ranks()) {
    const Shares complete = std::move(shares);
    pending_.erase(pending_.begin(), pending_.upper_bound(key));  // nothing needs the older ones now
    STILL_ASSIGN_OR_RETURN(v1::CheckpointManifest manifest, Assemble(complete));
    return std::optional<v1::CheckpointManifest>(std::move(manifest));
  }
  while (pending_.size() > kPending) pending_.erase(pending_.begin());
  return std::optional<v1::CheckpointManifest>();
}

Result<v1::CheckpointManifest> CheckpointCollector::Assemble(const Shares& shares) {
  const v1::PartsWritten& first = shares.begin()->second;
  std::map<std::string, std::vector<std::uint32_t>> states;
  std::map<std::string, std::pair<v1::CheckpointPart, std::uint32_t>> parts;  // by file, with the rank that wrote it
  for (const auto& [rank, share] : shares) {
    const bool same_shape = MessageDifferencer::Equals(share.info(), first.info()) &&
                            share.total_parts() == first.total_parts() && share.ranks() == first.ranks();
    states[same_shape ? share.state_digest() : share.info().ShortDebugString()].push_back(rank);
    for (const v1::CheckpointPart& part : share.parts()) {
      const auto [known, added] = parts.try_emplace(part.file(), part, rank);
      if (!added && !MessageDifferencer::Equals(known->second.first, part))
        return Error(Code::kDataLoss, "checkpoint of step {}: ranks {} and {} wrote different bytes as {}",
                     first.info().step(), known->second.second, rank, part.file());
    }
  }
  if (states.size() > 1)
    return Error(Code::kDataLoss,
                 "checkpoint of step {}: the ranks hold different states, {}: a machine is faulty or of another kind "
                 "than the others; drain it and run again",
                 first.info().step(), Groups(states));
  v1::CheckpointManifest manifest;
  *manifest.mutable_info() = first.info();
  for (std::uint32_t i = 0; i < first.total_parts(); ++i) {
    const auto part = parts.find(PartFile(i));
    if (part == parts.end())
      return Error(Code::kInternal, "checkpoint of step {}: none of {} ranks wrote {}", first.info().step(),
                   shares.size(), PartFile(i));
    *manifest.add_parts() = part->second.first;
  }
  return manifest;
}

}  // namespace still::coordinator
