// The state of a training run: everything that the next step depends on, except what follows from the seed. The
// functions cut it into the part files of a checkpoint (common/storage/checkpoint.h) and read it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/storage/checkpoint.h"
#include "worker/model/layout.h"

namespace still::worker {

// A copy that is taken between steps. Its buffers are flat, in the order of the layout.
struct TrainingState {
  v1::CheckpointInfo info;
  std::vector<float> weights;
  std::vector<float> first_moment;
  std::vector<float> second_moment;
};

// The three buffers of a state, in the order in which they are written.
enum class StateBuffer { kWeights, kFirstMoment, kSecondMoment };
inline constexpr StateBuffer kStateBuffers[] = {StateBuffer::kWeights, StateBuffer::kFirstMoment,
                                                StateBuffer::kSecondMoment};

// The trainer's own buffers, in host memory or on a device. Used by one thread.
class LiveState {
 public:
  virtual ~LiveState() = default;
  // Returns how many floats each buffer has.
  virtual std::size_t floats() const = 0;
  // Copies floats [begin, begin + out.size()) of a buffer to `out`.
  virtual void Read(StateBuffer buffer, std::size_t begin, std::span<float> out) const = 0;
  // Replaces floats [begin, begin + values.size()) of a buffer.
  virtual void Write(StateBuffer buffer, std::size_t begin, std::span<const float> values) = 0;
};

// A part of a checkpoint: parameters [first, last) of the layout, whose floats are [begin, end) of each buffer.
struct PartRange {
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Cuts a model into parts of whole parameters, in order. Each part but the last has at least 16 Mi floats of the three
// buffers together. The cut is a function of the layout alone.
std::vector<PartRange> CutIntoParts(const std::vector<ParameterInfo>& layout);

// The floats of one part.
struct PartCopy {
  PartRange range;
  std::vector<float> weights;
  std::vector<float> first_moment;
  std::vector<float> second_moment;
};

// Copies one part of the state. Reuses the buffers of `copy`.
void CopyPart(const LiveState& state, const PartRange& range, PartCopy* copy);

// Returns a digest over one page in 64 of the three buffers, and over other pages at other steps. Ranks with the same
// state have the same digest. A rank that computed something else is found sooner or later, at next to no cost.
std::string SampleDigest(const LiveState& state, std::uint64_t step);

// Writes part `index` of a checkpoint into `directory`. The part is durable under its final name on return.
Result<v1::CheckpointPart> WritePart(const std::string& directory, std::size_t index, const PartCopy& copy,
                                     const std::vector<ParameterInfo>& layout);

// Reads and checks a published checkpoint: digests, identity, and that its tensors are those of `layout`. DATA_LOSS or
// NOT_FOUND otherwise.
Result<TrainingState> LoadCheckpoint(const std::string& path, const v1::CheckpointManifest& manifest,
                                     const std::string& identity, const std::vector<ParameterInfo>& layout);

// Renames the checkpoint to "<path>.bad", so that it is out of the way but can still be examined.
Status Quarantine(const std::string& path);

}  // namespace still::worker
