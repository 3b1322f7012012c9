// Measures a teacher and its students: how well they fill masks in held-out text, and how long they take.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/clock.h"
#include "shards/corpus/masking.h"
#include "worker/model/parameters.h"

namespace still::worker {

// Sums over masked positions.
struct MaskFillingSums {
  double loss = 0;         // cross-entropy
  double correct = 0;      // arg max is the label
  double kl = 0;           // KL(teacher || model) at temperature 1
  double kl_tempered = 0;  // at the training temperature
};

// Adds the sums of one batch of masked sequences for each of `models`. The first of them is the teacher. Computes in
// fp32.
void AddMaskFilling(std::span<const ParameterSet* const> models,
                    const std::vector<const shards::MaskedSequence*>& batch, double temperature,
                    std::span<MaskFillingSums> sums);

// Returns each model's median seconds of one forward pass over one sequence, in fp32: the encoder, then the head at the
// masked positions. The models take turns, so that other load on the machine affects all of them alike.
std::vector<double> MeasureLatency(std::span<const ParameterSet* const> models, const shards::MaskedSequence& sequence,
                                   std::uint32_t runs, const Clock& clock);

}  // namespace still::worker
