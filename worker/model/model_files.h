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

// The student of `teacher` with `layers` layers: embeddings, head and the chosen encoder layers copied
// (0,2,4,7,9,11 for 6 of 12; evenly spread in general), or random N(0, 0.02) keyed by `seed` when !from_teacher.
ParameterSet InitialiseStudent(const ParameterSet& teacher, std::int64_t layers, bool from_teacher, std::uint64_t seed);
std::vector<std::int64_t> StudentLayers(std::int64_t teacher_layers, std::int64_t student_layers);

Status SaveModel(const ParameterSet& parameters, const std::string& directory);
Result<ParameterSet> LoadModel(const std::string& directory, bool trainable);

}  // namespace still::worker
