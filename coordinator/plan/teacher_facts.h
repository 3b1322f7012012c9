// Reads what a plan must know about a teacher from its Hugging Face directory, without a tensor library.
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace still::coordinator {

struct TeacherFacts {
  std::string config_sha256;  // of config.json
  std::string model_sha256;   // of model.safetensors
  std::string vocab_sha256;   // of vocab.txt
  bool has_head = false;      // the checkpoint has a masked-language-model head
  std::uint32_t layers = 0;
  std::uint32_t max_positions = 0;
  std::uint32_t vocabulary = 0;
};

// Reads the facts of the teacher in `directory`. NOT_FOUND names the missing file. INVALID_ARGUMENT: the model is not a
// BERT. DATA_LOSS: a file is damaged.
Result<TeacherFacts> InspectTeacher(const std::string& directory);

}  // namespace still::coordinator
