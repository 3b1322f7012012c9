// Reads and writes models on disk. Ours is a directory with model.safetensors (names of ParameterLayout), shape.json
// and weights.sha256. Hugging Face's has config.json, model.safetensors and vocab.txt of a BERT checkpoint: BertModel
// or BertForMaskedLM, with or without the prefix "bert.", in fp32, fp16 or bf16.
//
// DATA_LOSS names a tensor that is missing or has the wrong shape. INVALID_ARGUMENT: config.json is of another
// architecture, activation or position scheme.
#pragma once

#include <string>

#include "common/status.h"
#include "worker/model/parameters.h"

namespace still::worker {

struct ImportedTeacher {
  ParameterSet parameters;
  bool has_head = false;  // false: transform = identity, head LayerNorm = 1/0, decoder bias = 0, waiting to be fitted
};

Result<ImportedTeacher> ImportHuggingFaceBert(const std::string& directory, bool trainable);

Status SaveModel(const ParameterSet& parameters, const std::string& directory);
Result<ParameterSet> LoadModel(const std::string& directory, bool trainable);

}  // namespace still::worker
