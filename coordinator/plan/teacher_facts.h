// What a plan must know of a teacher: read from its Hugging Face directory without a tensor library.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace still::coordinator {

struct TeacherFacts {
  std::string config_sha256;  // of config.json
  std::string model_sha256;   // of model.safetensors
  std::string vocab_sha256;   // of vocab.txt
  bool has_head = false;      // a masked-language-model head is in the checkpoint
  std::uint32_t layers = 0;
  std::uint32_t max_positions = 0;
  std::uint32_t vocabulary = 0;
};

// NOT_FOUND names the file that is missing; a model that is no BERT is INVALID_ARGUMENT, a damaged file DATA_LOSS.
Result<TeacherFacts> InspectTeacher(const std::string& directory);

}  // namespace still::coordinator
