// The triple loss of DistilBERT (Sanh et al. 2019), each term a mean over the whole step's positions, so that a
// microbatch's loss and gradient are exactly its share:
//   alpha_ce  * T^2 * mean KL(teacher_T || student_T) + alpha_mlm * mean CE(label) + alpha_cos * mean(1 - cos(h_s,
//   h_t))
// KL and cosine run over the target positions (all attended, or masked), CE over the masked ones.
// The vocabulary is processed in row chunks whose gradient overwrites the logits: two [rows, V] tensors of the whole
// batch never exist.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "worker/model/encoder.h"
#include "worker/model/parameters.h"
#include "worker/train/loss_weights.h"

namespace still::worker {

// Targets of one microbatch, in the order of `rows` below. Exactly one of hidden / logits is defined, or neither (MLM
// only).
struct BatchTargets {
  at::Tensor hidden;         // float [N, H]: teacher's last hidden state
  at::Tensor ids;            // int64 [N, K], with
  at::Tensor logits;         // float [N, K] and
  at::Tensor log_partition;  // float [N] at the loss's temperature: mass outside the K is one bucket (ghost token)
};

struct LossRows {
  at::Tensor target_rows;  // int64 [N]: flattened b*S+s of target positions, ascending
  at::Tensor
      masked_rows;    // int64 [M]: of masked positions, ascending; a subset of target_rows when targets are defined
  at::Tensor labels;  // int64 [M]
};

// Sums over this microbatch's positions (not yet divided by the step's counts).
struct LossSums {
  double kl = 0;       // KL(teacher_T || student_T), without alpha and T^2
  double mlm = 0;      // cross-entropy
  double cosine = 0;   // 1 - cos
  double correct = 0;  // masked positions whose arg max is the label
};

// Adds d loss / d parameters of one microbatch into student.gradients() and returns its sums.
// `hidden` is EncoderForward's result [B, S, H] with its autograd graph; it is consumed. `teacher` gives the frozen
// head for hidden targets and may be null otherwise.
LossSums AccumulateGradients(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& hidden,
                             const LossRows& rows, const BatchTargets& targets, const StepPositions& step,
                             const LossWeights& weights, const Compute& compute);

// The step's loss from sums over all its microbatches.
double StepLoss(const LossSums& sums, const StepPositions& step, const LossWeights& weights);

}  // namespace still::worker
