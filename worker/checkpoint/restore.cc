#include "worker/checkpoint/restore.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "common/faults/fault_point.h"
#include "common/log.h"
#include "worker/collective/agree.h"

namespace still::worker {
namespace {

// Finds the rank whose host has the newest snapshot, and the step of that snapshot.
struct SnapshotClaim {
  int owner = 0;
  std::optional<std::uint64_t> step;
};

Result<SnapshotClaim> FindSnapshot(Communicator& world, const MemorySnapshot& snapshot, bool usable) {
  std::vector<std::int64_t> claims(static_cast<std::size_t>(world.size()));  // step + 1, 0 for none
  if (usable && world.host_place().index == 0) {
    if (const auto step = snapshot.ClaimedStep())
      claims[static_cast<std::size_t>(world.rank())] = static_cast<std::int64_t>(*step) + 1;
  }
  STILL_RETURN_IF_ERROR(world.AllReduceSum(std::span(claims)));
  const auto best = std::ranges::max_element(claims);
  SnapshotClaim claim{.owner = static_cast<int>(best - claims.begin())};
  if (*best > 0) claim.step = static_cast<std::uint64_t>(*best - 1);
  return claim;
}

bool IsDamage(const Status& status) { return status.code() == Code::kDataLoss || status.code() == Code::kNotFound; }

// Gives all ranks the owner's buffers. `state` is whole on the owner, and on other ranks only room for one buffer.
Status ShareState(Communicator& world, int owner, TrainingState& state, LiveState& live) {
  std::vector<float>* const buffers[] = {&state.weights, &state.first_moment, &state.second_moment};
  for (const StateBuffer buffer : kStateBuffers) {
    std::vector<float>& values = *buffers[world.rank() == owner ? static_cast<std::size_t>(buffer) : 0];
    values.resize(live.floats());
    STILL_RETURN_IF_ERROR(world.Broadcast(std::as_writable_bytes(std::span(values)), owner));
    live.Write(buffer, 0, values);
  }
  return Ok();
}

}  // namespace

Result<std::optional<v1::CheckpointInfo>> RestoreNewest(Communicator& world, const RestoreSources& sources,
                                                        const std::string& identity,
                                                        const std::vector<ParameterInfo>& layout, LiveState& live) {
  bool snapshot_usable = true;
  std::size_t next = 0;  // of the published ones
  while (true) {
    STILL_ASSIGN_OR_RETURN(const SnapshotClaim claim, FindSnapshot(world, sources.snapshot, snapshot_usable));
    const bool on_disk = next < sources.published.size();
    if (!claim.step && !on_disk) return std::optional<v1::CheckpointInfo>();
    const bool from_memory = claim.step && (!on_disk || *claim.step >= sources.published[next].info().step());
    const int owner = from_memory ? claim.owner : 0;
    const std::string path = on_disk ? CheckpointPath(sources.directory, sources.published[next].info()) : "";
    const auto load = [&]() -> Result<TrainingState> {
      STILL_RETURN_IF_ERROR(FaultPoint("restore"));
      return from_memory ? sources.snapshot.Load() : LoadCheckpoint(path, sources.published[next], identity, layout);
    };
    Result<TrainingState> state = world.rank() == owner ? load() : Result<TrainingState>(TrainingState{});
    STILL_RETURN_IF_ERROR(Agree(world, state.ok() || IsDamage(state.status()) ? Ok() : state.status()));
    std::string info = world.rank() == owner && state.ok() ? state->info.SerializeAsString() : "";
    STILL_RETURN_IF_ERROR(world.Broadcast(&info, owner));
    if (!info.empty()) {
      STILL_RETURN_IF_ERROR(ShareState(world, owner, *state, live));
      v1::CheckpointInfo restored;
      STILL_CHECK(restored.ParseFromString(info), "a broadcast changes nothing");
      if (world.rank() == owner)
        LogInfo("continuing after step {} from {}", restored.step(), from_memory ? "the snapshot in memory" : path);
      return std::optional(restored);
    }
    if (from_memory) {
      snapshot_usable = false;
      continue;
    }
    if (world.rank() == owner) {
      LogWarn("checkpoint set aside as {}.bad, falling back to an older one: {}", path, state.status().message());
      STILL_RETURN_IF_ERROR(Quarantine(path));
    }
    ++next;
  }
}

}  // namespace still::worker
