// The vocabulary side of the loss, one row at a time: softmaxes at the temperature and at 1, the terms of the loss, and
// their gradient, which is written over the student's logits. These are plain loops over memory that fits the cache of
// a core. E is the element type of the logits (float, double or Bf16). A is the type of the arithmetic (double for
// double, else float).
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace still::worker {

struct Bf16 {
  std::uint16_t bits;
};

template <typename E>
using Arithmetic = std::conditional_t<std::is_same_v<E, double>, double, float>;

// Weights of the loss's terms for one row: alpha x (T^2 for KL) / positions of the step. A weight of 0 switches a term
// off.
struct RowWeights {
  double kl = 0;
  double mlm = 0;
  double temperature = 1;
};

struct RowSums {
  double kl = 0;
  double mlm = 0;
  bool correct = false;
};

// The teacher's distribution for a row: all logits (without bias), or K of them with the log-partition.
template <typename E>
struct DenseTeacher {
  const E* logits = nullptr;
  const Arithmetic<E>* bias = nullptr;
};
struct SparseTeacher {
  std::span<const std::int64_t> ids;
  std::span<const float> logits;
  double log_partition = 0;  // at the temperature
};

// Buffers that are reused from row to row, one set per thread.
template <typename A>
struct RowScratch {
  std::vector<A> student;
  std::vector<A> teacher;
};

// Reads `logits` [n] without bias, replaces them by d loss / d logits and returns the row's sums. `label` is -1 where
// CE does not apply. A dense teacher without logits means CE alone. Values that are not finite give sums that are not
// finite.
template <typename E>
RowSums DenseRow(E* logits, const Arithmetic<E>* bias, std::int64_t n, const DenseTeacher<E>& teacher,
                 std::int64_t label, const RowWeights& weights, RowScratch<Arithmetic<E>>& scratch);
template <typename E>
RowSums SparseRow(E* logits, const Arithmetic<E>* bias, std::int64_t n, const SparseTeacher& teacher,
                  std::int64_t label, const RowWeights& weights, RowScratch<Arithmetic<E>>& scratch);

// Adds the sum over rows of values[row * n + i] to sums[i], for i in [begin, end).
template <typename E>
void AddColumnSums(const E* values, std::int64_t rows, std::int64_t n, std::int64_t begin, std::int64_t end,
                   Arithmetic<E>* sums);
// Adds values[i] to out[i].
void AddBf16(const Bf16* values, std::int64_t size, float* out);

}  // namespace still::worker
