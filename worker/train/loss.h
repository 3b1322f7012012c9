// The triple loss of DistilBERT (Sanh et al. 2019):
//
// clang-format off
//   loss = alpha_ce  * T^2 * mean KL(teacher_T || student_T)   over the target positions (all attended, or masked)
//        + alpha_mlm * mean CE(label)                          over the masked positions
//        + alpha_cos * mean (1 - cos(h_student, h_teacher))    over the target positions
// clang-format on
//
// Each mean is over the positions of the whole step, so the losses and gradients of the microbatches add up to those of
// the step. The vocabulary is processed in chunks of rows, whose gradient overwrites the logits. Two [rows, V] tensors
// of the whole batch therefore never exist.
#pragma once

#include <ATen/core/Tensor.h>

#include "worker/model/encoder.h"
#include "worker/model/parameters.h"
#include "worker/train/loss_weights.h"

namespace still::worker {

// clang-format off
// The teacher's targets of one microbatch, N rows in the order of LossRows::target_rows. Either `hidden` is defined, or
// the other three are, or none (masked language modelling only).
struct BatchTargets {
  at::Tensor hidden;         // float [N, H]: the teacher's last hidden state
  at::Tensor ids;            // int64 [N, K]: the K likeliest tokens
  at::Tensor logits;         // float [N, K]: their logits
  at::Tensor log_partition;  // float [N]: at the loss's temperature; all tokens outside the K count as one more token
};

// The rows of the padded batch where the losses apply, as flat indices b * S + s, ascending.
struct LossRows {
  at::Tensor target_rows;    // int64 [N]: the target positions
  at::Tensor target_labels;  // int64 [N]: the original tokens at target_rows, -1 where they are not masked
  at::Tensor masked_rows;    // int64 [M]: the masked positions; a subset of target_rows when there are targets
  at::Tensor labels;         // int64 [M]: the original tokens at masked_rows
};
// clang-format on

// Sums over this microbatch's positions (not yet divided by the step's counts).
struct LossSums {
  double kl = 0;       // KL(teacher_T || student_T), without alpha and T^2
  double mlm = 0;      // cross-entropy
  double cosine = 0;   // 1 - cos
  double correct = 0;  // masked positions whose arg max is the label
};

// Adds d loss / d parameters of one microbatch to student.gradients(), and the microbatch's sums to `sums` (double
// [kLossTerms], worker/device/kernels.h), both on the student's device; the host does not wait for them. `hidden` is
// the result [B, S, H] of EncoderForward with its autograd graph, which is consumed. `teacher` provides the frozen head
// for hidden targets and may be null otherwise.
void AccumulateGradients(const ParameterSet& student, const ParameterSet* teacher, const at::Tensor& hidden,
                         const LossRows& rows, const BatchTargets& targets, const StepPositions& step,
                         const LossWeights& weights, const Compute& compute, const at::Tensor& sums);

// Returns what AccumulateGradients summed, from a tensor of the host.
LossSums LossSumsOf(const at::Tensor& sums);

// Returns the loss of a step from the sums over all its microbatches.
double StepLoss(const LossSums& sums, const StepPositions& step, const LossWeights& weights);

}  // namespace still::worker
