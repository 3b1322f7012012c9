// Writes a student as a Hugging Face directory of DistilBertForMaskedLM: config.json, model.safetensors, vocab.txt and
// tokenizer_config.json. It needs no tensor library: parameters are copied, or cut, from one safetensors file to
// another.
#pragma once

#include <string>

#include "common/status.h"

namespace still::worker {

struct DistilBertOptions {
  std::string vocab;  // vocab.txt the model was trained with
  bool lowercase = true;
};

// Reads the model in `model_directory` (as SaveModel writes it) and writes into the existing directory
// `output_directory`.
// INVALID_ARGUMENT when DistilBERT cannot express the model: its LayerNorm epsilon is fixed at 1e-12.
Status WriteDistilBert(const std::string& model_directory, const DistilBertOptions& options,
                       const std::string& output_directory);

}  // namespace still::worker
