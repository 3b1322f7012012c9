// Made-up descriptions of checkpoints, and a matcher that compares messages.
#pragma once

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <initializer_list>
#include <string>

#include "common/storage/checkpoint.h"

namespace still::testing {

inline v1::CheckpointInfo InfoOf(std::uint64_t step, std::uint64_t generation = 1) {
  v1::CheckpointInfo info;
  info.set_step(step);
  info.set_seed(5);
  info.set_generation(generation);
  info.set_identity("abc");
  return info;
}

inline v1::CheckpointPart PartOf(std::size_t index, std::uint64_t size, const std::string& sha256) {
  v1::CheckpointPart part;
  part.set_file(PartFile(index));
  part.set_size(size);
  part.set_sha256(sha256);
  return part;
}

inline v1::CheckpointManifest ManifestOf(const v1::CheckpointInfo& info,
                                         std::initializer_list<v1::CheckpointPart> parts) {
  v1::CheckpointManifest manifest;
  *manifest.mutable_info() = info;
  manifest.mutable_parts()->Assign(parts.begin(), parts.end());
  return manifest;
}

MATCHER_P(EqualsMessage, expected, "is " + expected.ShortDebugString()) {
  return google::protobuf::util::MessageDifferencer::Equals(arg, expected);
}

}  // namespace still::testing
