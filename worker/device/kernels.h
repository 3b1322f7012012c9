// The kernels of the exact step: what it computes beyond LibTorch's operators, on the device that holds its tensors.
// Every kernel gives the same bits each time, on any number of ranks. None makes the host wait: results stay on the
// device.
//
// The CPU's kernels are in host_kernels.h. A kernel's tensors are contiguous and on one device; anything else is a bug.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "worker/device/adamw.h"
#include "worker/device/vocabulary_rows.h"

namespace still::worker {

// The mask of one dropout site (dropout_mask.h).
struct DropoutSite {
  std::uint64_t key = 0;
  std::uint32_t site = 0;
  std::uint32_t threshold = 0;  // of 65,536: draws below it are dropped
};

// clang-format off
// The teacher's distribution for N rows of logits: all logits, or the K likeliest, or nothing.
struct TeacherRows {
  at::Tensor dense;          // [N, V], without bias, in the type of the student's logits
  at::Tensor bias;           // [V]
  at::Tensor ids;            // int64 [N, K]
  at::Tensor logits;         // float [N, K]
  at::Tensor log_partition;  // float [N]: at the loss's temperature
};

// The places of the loss's sums in a double tensor.
enum LossTerm : std::int64_t {
  kKlTerm = 0,       // KL(teacher_T || student_T), without alpha and T^2
  kMlmTerm = 1,      // cross-entropy
  kCosineTerm = 2,   // 1 - cos
  kCorrectTerm = 3,  // masked positions whose arg max is the label
  kLossTerms = 4,
};
// clang-format on

// The buffers of an update: float [parameters] each.
struct AdamWBuffers {
  at::Tensor weights;
  at::Tensor gradients;
  at::Tensor first_moment;
  at::Tensor second_moment;
};

// The kernels of one kind of device. Stateless: any thread may call them.
class DeviceKernels {
 public:
  virtual ~DeviceKernels() = default;

  // Fills `mask` (float, double or bfloat16) with the site's mask: 0 where an element is dropped, else `keep`.
  virtual void FillDropout(const at::Tensor& mask, const DropoutSite& site, double keep) const = 0;

  // Replaces the student's `logits` [N, V], which lack the `bias` [V], by d loss / d logits. Adds the rows' terms to
  // `sums` (double [kLossTerms]) in the order of the rows. `labels` (int64 [N]) is -1 where CE does not apply.
  virtual void VocabularyRows(const at::Tensor& logits, const at::Tensor& bias, const TeacherRows& teacher,
                              const at::Tensor& labels, const RowWeights& weights, const at::Tensor& sums) const = 0;

  // Adds the sum over the rows of `values` [N, V] to `sums` [V].
  virtual void AddColumnSums(const at::Tensor& values, const at::Tensor& sums) const = 0;

  // Adds `values` (bfloat16) to `sums` (float) of the same size.
  virtual void AddBfloat16(const at::Tensor& values, const at::Tensor& sums) const = 0;

  // Adds values[order[i]] [N, H] to sums[rows[i]] [R, H] for i = 0, 1, ... N - 1. `rows` (int64 [N]) ascend and
  // `order` (int64 [N]) is a permutation, so one row's values are added in one order.
  virtual void AddRowsInOrder(const at::Tensor& values, const at::Tensor& order, const at::Tensor& rows,
                              const at::Tensor& sums) const = 0;

  // Adds `values` (float), rounded to fixed point (exact_sum.h), to `sums` (int64) of the same size, and sets `values`
  // to 0. Sets `bad` (double [1]) to 1 when a value is not finite or not below kMaxTerm.
  virtual void AddFixed(const at::Tensor& values, const at::Tensor& sums, const at::Tensor& bad) const = 0;

  // Does the same without rounding, for fast sums: `sums` are float.
  virtual void AddFloats(const at::Tensor& values, const at::Tensor& sums, const at::Tensor& bad) const = 0;

  // Sets values[i] (float) to what sums[i] (int64) stands for.
  virtual void FixedToFloat(const at::Tensor& sums, const at::Tensor& values) const = 0;

  // Sets `norm` (double [1]) to the Euclidean norm of `values` (float), summed in the order that adamw.h fixes.
  virtual void Norm(const at::Tensor& values, const at::Tensor& norm) const = 0;

  // Applies one update of AdamW to the ranges of the buffers. `norm` (double [1]) is that of all gradients.
  virtual void UpdateAdamW(const AdamWBuffers& buffers, std::span<const AdamWRange> ranges, const AdamWScalars& scalars,
                           const at::Tensor& norm) const = 0;
};

// Returns the kernels for tensors on `device`. A device without kernels is a bug.
const DeviceKernels& KernelsOf(const at::Device& device);

// Makes `kernels` those of a type of device, for the rest of the process. Call it before any other thread computes.
void RegisterKernels(at::DeviceType type, std::unique_ptr<DeviceKernels> kernels);

}  // namespace still::worker
