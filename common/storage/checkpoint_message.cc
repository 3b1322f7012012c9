#include "common/storage/checkpoint_message.h"

namespace still {

v1::CheckpointInfo ToMessage(const CheckpointInfo& info) {
  v1::CheckpointInfo message;
  message.set_step(info.step);
  message.set_seed(info.seed);
  message.set_generation(info.generation);
  message.set_identity(info.identity);
  message.set_skipped_steps(info.skipped_steps);
  message.set_skipped_in_a_row(info.skipped_in_a_row);
  message.set_audit_sequences(info.audit_sequences);
  message.set_audit_hash(info.audit_hash);
  return message;
}

v1::CheckpointPart ToMessage(const CheckpointPart& part) {
  v1::CheckpointPart message;
  message.set_file(part.file);
  message.set_size(part.size);
  message.set_sha256(part.sha256);
  return message;
}

v1::CheckpointManifest ToMessage(const CheckpointManifest& manifest) {
  v1::CheckpointManifest message;
  *message.mutable_info() = ToMessage(manifest.info);
  for (const CheckpointPart& part : manifest.parts) *message.add_parts() = ToMessage(part);
  return message;
}

CheckpointInfo InfoOf(const v1::CheckpointInfo& message) {
  return {.step = message.step(),
          .seed = message.seed(),
          .generation = message.generation(),
          .identity = message.identity(),
          .skipped_steps = message.skipped_steps(),
          .skipped_in_a_row = message.skipped_in_a_row(),
          .audit_sequences = message.audit_sequences(),
          .audit_hash = message.audit_hash()};
}

CheckpointPart PartOf(const v1::CheckpointPart& message) {
  return {.file = message.file(), .size = message.size(), .sha256 = message.sha256()};
}

CheckpointManifest ManifestOf(const v1::CheckpointManifest& message) {
  CheckpointManifest manifest{.info = InfoOf(message.info())};
  for (const v1::CheckpointPart& part : message.parts()) manifest.parts.push_back(PartOf(part));
  return manifest;
}

}  // namespace still
