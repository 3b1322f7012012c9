// Models on disk. Ours: a directory with model.safetensors (names of ParameterLayout) and shape.json. Hugging Face's:
// config.json, model.safetensors, vocab.txt of a BERT checkpoint (BertModel or BertForMaskedLM, with or without the
// "bert." prefix, fp32/fp16/bf16). A missing or misshapen tensor is DATA_LOSS and is named; config.json of another
// architecture, activation or position scheme is INVALID_ARGUMENT.
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
