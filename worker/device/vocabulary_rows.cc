#include "worker/device/vocabulary_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "worker/device/instruction_sets.h"

#define STILL_INLINE [[gnu::always_inline]] inline

namespace still::worker {
namespace {

// A vector register's worth of A; the compiler splits it where the CPU's are shorter.
template <typename A>
struct Register;
template <>
struct Register<float> {
  typedef float Type __attribute__((vector_size(64)));
  typedef std::int32_t Bits __attribute__((vector_size(64)));
};
template <>
struct Register<double> {
  typedef double Type __attribute__((vector_size(64)));
};
template <typename A>
using Vector = typename Register<A>::Type;
template <typename A>
constexpr std::int64_t kLanes = 64 / sizeof(A);

constexpr double kPadding = -1e30;  // a logit of no probability

template <typename A>
STILL_INLINE Vector<A> Load(const A* at) {
  Vector<A> value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
template <typename A>
STILL_INLINE void Store(A* at, Vector<A> value) {
  __builtin_memcpy(at, &value, sizeof value);
}
template <typename A>
STILL_INLINE double Total(Vector<A> value) {
  double total = 0;
  for (int l = 0; l < kLanes<A>; ++l) total += static_cast<double>(value[l]);
  return total;
}

// exp for arguments <= 0 (and a little above): 2^n times a polynomial on [-ln2/2, ln2/2], relative error below 2e-7.
STILL_INLINE Vector<float> Exp(Vector<float> x) {
  using V = Vector<float>;
  using B = Register<float>::Bits;
  const V lowest = V{} - 87.0f;
  x = x < lowest ? lowest : x;
  const V shifted = x * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 leaves the rounded integer in the low bits
  const V n = shifted - 12582912.0f;
  const V r = x - n * 0.693359375f + n * 2.12194440e-4f;
  V p = V{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  B exponent;
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  B bits;
  __builtin_memcpy(&bits, &p, sizeof bits);
  bits += exponent << 23;
  __builtin_memcpy(&p, &bits, sizeof p);
  return p;
}
STILL_INLINE Vector<double> Exp(Vector<double> x) {
  for (int l = 0; l < kLanes<double>; ++l) x[l] = std::exp(x[l]);
  return x;
}

STILL_INLINE float ToArithmetic(Bf16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }
STILL_INLINE float ToArithmetic(float value) { return value; }
STILL_INLINE double ToArithmetic(double value) { return value; }
STILL_INLINE void Assign(float value, float& out) { out = value; }
STILL_INLINE void Assign(double value, double& out) { out = value; }
STILL_INLINE void Assign(float value,
                         Bf16& out) {  // to nearest even; logits and gradients are finite or the step fails
  const auto bits = std::bit_cast<std::uint32_t>(value);
  out.bits = static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// --- the passes over a row: bodies, then one overload per type, compiled for several instruction sets ---

template <typename E, typename A>
STILL_INLINE void LoadRowBody(const E* logits, const A* bias, std::int64_t n, A* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = ToArithmetic(logits[i]) + bias[i];
}

template <typename A>
STILL_INLINE A MaximumBody(const A* row, std::int64_t padded) {
  Vector<A> most = Load(row);
  for (std::int64_t i = kLanes<A>; i < padded; i += kLanes<A>) {
    const Vector<A> value = Load(row + i);
    most = value > most ? value : most;
  }
  A result = most[0];
  for (int l = 1; l < kLanes<A>; ++l) result = std::max(result, static_cast<A>(most[l]));
  return result;
}

// Returns the sum of exp((row - most) * scale).
template <typename A>
STILL_INLINE double SumExpBody(const A* row, std::int64_t padded, A most, A scale) {
  Vector<A> sum{};
  for (std::int64_t i = 0; i < padded; i += kLanes<A>) sum += Exp((Load(row + i) - most) * scale);
  return Total<A>(sum);
}

struct DenseSums {
  double student = 0;  // partition relative to the maximum
  double teacher = 0;
  double cross = 0;  // sum of the teacher's terms times (teacher - student) logit
};

template <typename A>
STILL_INLINE DenseSums DenseSumsBody(const A* student, const A* teacher, std::int64_t padded, A student_most,
                                     A teacher_most, A scale) {
  Vector<A> student_sum{}, teacher_sum{}, cross{};
  for (std::int64_t i = 0; i < padded; i += kLanes<A>) {
    const Vector<A> s = Load(student + i), t = Load(teacher + i);
    const Vector<A> e = Exp((t - teacher_most) * scale);
    student_sum += Exp((s - student_most) * scale);
    teacher_sum += e;
    cross += e * (t - s);
  }
  return {Total<A>(student_sum), Total<A>(teacher_sum), Total<A>(cross)};
}

// The terms of a row's gradient: soft * q - target * p + hard * softmax, each from its log-partition.
template <typename A>
struct GradientTerms {
  A scale = 1;  // 1 / temperature
  A soft = 0, soft_log_partition = 0;
  A target = 0, target_log_partition = 0;
  A hard = 0, hard_log_partition = 0;
};

template <bool kSoft, bool kTarget, bool kHard, typename A>
STILL_INLINE void GradientLoop(A* student, const A* teacher, std::int64_t padded, const GradientTerms<A>& terms) {
  for (std::int64_t i = 0; i < padded; i += kLanes<A>) {
    const Vector<A> s = Load(student + i);
    Vector<A> g{};
    if constexpr (kSoft) g += terms.soft * Exp(s * terms.scale - terms.soft_log_partition);
    if constexpr (kTarget) g -= terms.target * Exp(Load(teacher + i) * terms.scale - terms.target_log_partition);
    if constexpr (kHard) g += terms.hard * Exp(s - terms.hard_log_partition);
    Store(student + i, g);
  }
}

// Writes over `student`, in place.
template <typename A>
STILL_INLINE void GradientBody(A* student, const A* teacher, std::int64_t padded, const GradientTerms<A>& terms) {
  const bool hard = terms.hard != 0;
  if (terms.soft == 0) {
    return hard ? GradientLoop<false, false, true>(student, teacher, padded, terms)
                : GradientLoop<false, false, false>(student, teacher, padded, terms);
  }
  if (teacher == nullptr) {
    return hard ? GradientLoop<true, false, true>(student, teacher, padded, terms)
                : GradientLoop<true, false, false>(student, teacher, padded, terms);
  }
  return hard ? GradientLoop<true, true, true>(student, teacher, padded, terms)
              : GradientLoop<true, true, false>(student, teacher, padded, terms);
}

template <typename E, typename A>
STILL_INLINE void StoreRowBody(const A* row, std::int64_t n, E* out) {
  for (std::int64_t i = 0; i < n; ++i) Assign(row[i], out[i]);
}

template <typename E, typename A>
STILL_INLINE void ColumnSumsBody(const E* values, std::int64_t rows, std::int64_t n, std::int64_t begin,
                                 std::int64_t end, A* sums) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const E* row = values + r * n;
    for (std::int64_t i = begin; i < end; ++i) sums[i] += ToArithmetic(row[i]);
  }
}

// target_clones cannot be put on templates.
#define STILL_ARITHMETIC_PASSES(A)                                                                           \
  STILL_VECTOR_CLONES A Maximum(const A* row, std::int64_t padded) { return MaximumBody(row, padded); }      \
  STILL_VECTOR_CLONES double SumExp(const A* row, std::int64_t padded, A most, A scale) {                    \
    return SumExpBody(row, padded, most, scale);                                                             \
  }                                                                                                          \
  STILL_VECTOR_CLONES DenseSums SumDense(const A* s, const A* t, std::int64_t padded, A sm, A tm, A scale) { \
    return DenseSumsBody(s, t, padded, sm, tm, scale);                                                       \
  }                                                                                                          \
  STILL_VECTOR_CLONES void Gradient(A* s, const A* t, std::int64_t padded, const GradientTerms<A>& terms) {  \
    GradientBody(s, t, padded, terms);                                                                       \
  }
#define STILL_ELEMENT_PASSES(E, A)                                                                            \
  STILL_VECTOR_CLONES void LoadRow(const E* logits, const A* bias, std::int64_t n, A* out) {                  \
    LoadRowBody(logits, bias, n, out);                                                                        \
  }                                                                                                           \
  STILL_VECTOR_CLONES void StoreRow(const A* row, std::int64_t n, E* out) { StoreRowBody(row, n, out); }      \
  STILL_VECTOR_CLONES void ColumnSums(const E* values, std::int64_t rows, std::int64_t n, std::int64_t begin, \
                                      std::int64_t end, A* sums) {                                            \
    ColumnSumsBody(values, rows, n, begin, end, sums);                                                        \
  }
STILL_ARITHMETIC_PASSES(float)
STILL_ARITHMETIC_PASSES(double)
STILL_ELEMENT_PASSES(Bf16, float)
STILL_ELEMENT_PASSES(float, float)
STILL_ELEMENT_PASSES(double, double)

STILL_VECTOR_CLONES void AddBf16Pass(const Bf16* values, std::int64_t size, float* out) {
  for (std::int64_t i = 0; i < size; ++i) out[i] += ToArithmetic(values[i]);
}

// --- a row ---

// Puts the row with bias into `buffer`, pads it to whole registers with impossible logits, returns the padded size.
template <typename E, typename A>
std::int64_t PrepareRow(const E* logits, const A* bias, std::int64_t n, std::vector<A>& buffer) {
  const std::int64_t padded = (n + kLanes<A> - 1) / kLanes<A> * kLanes<A>;
  buffer.resize(static_cast<std::size_t>(padded));
  LoadRow(logits, bias, n, buffer.data());
  std::fill(buffer.begin() + n, buffer.end(), static_cast<A>(kPadding));
  return padded;
}

// Fills in the CE part of the gradient's terms from the student's row under the hard label.
template <typename A>
void HardLabel(double partition, A most, A label_logit, double weight, RowSums& sums, GradientTerms<A>& terms) {
  const double log_partition = static_cast<double>(most) + std::log(partition);
  sums.mlm = log_partition - static_cast<double>(label_logit);
  sums.correct = label_logit >= most;
  terms.hard = static_cast<A>(weight);
  terms.hard_log_partition = static_cast<A>(log_partition);
}

}  // namespace

template <typename E>
RowSums DenseRow(E* logits, const Arithmetic<E>* bias, std::int64_t n, const DenseTeacher<E>& teacher,
                 std::int64_t label, const RowWeights& weights, RowScratch<Arithmetic<E>>& scratch) {
  using A = Arithmetic<E>;
  const std::int64_t padded = PrepareRow(logits, bias, n, scratch.student);
  A* student = scratch.student.data();
  const A most = Maximum(student, padded);
  RowSums sums;
  GradientTerms<A> terms;
  const double inverse = 1 / weights.temperature;
  terms.scale = static_cast<A>(inverse);
  const A* soft_targets = nullptr;
  if (teacher.logits != nullptr) {
    PrepareRow(teacher.logits, teacher.bias, n, scratch.teacher);
    soft_targets = scratch.teacher.data();
    const A teacher_most = Maximum(soft_targets, padded);
    const DenseSums dense = SumDense(student, soft_targets, padded, most, teacher_most, terms.scale);
    const double student_log = static_cast<double>(most) * inverse + std::log(dense.student);
    const double teacher_log = static_cast<double>(teacher_most) * inverse + std::log(dense.teacher);
    sums.kl = dense.cross * inverse / dense.teacher + student_log - teacher_log;
    terms.soft = terms.target = static_cast<A>(weights.kl * inverse);
    terms.soft_log_partition = static_cast<A>(student_log);
    terms.target_log_partition = static_cast<A>(teacher_log);
  }
  if (label >= 0) HardLabel(SumExp(student, padded, most, A{1}), most, student[label], weights.mlm, sums, terms);
  Gradient(student, soft_targets, padded, terms);
  if (label >= 0) student[label] -= terms.hard;
  StoreRow(student, n, logits);
  return sums;
}

// With K ids and the rest r = 1 - sum p as one bucket, q the student's probabilities and q_r its mass outside the K:
//   d KL / d logit_j = (q_j (P + r) - p_j) / T inside the K, q_j (P + r - r / q_r) / T outside, P = sum p.
// The K logits leave the row while it is summed, so that q_r does not drown in rounding.
template <typename E>
RowSums SparseRow(E* logits, const Arithmetic<E>* bias, std::int64_t n, const SparseTeacher& teacher,
                  std::int64_t label, const RowWeights& weights, RowScratch<Arithmetic<E>>& scratch) {
  using A = Arithmetic<E>;
  constexpr double kTinyMass = 1e-12;
  const std::int64_t padded = PrepareRow(logits, bias, n, scratch.student);
  A* student = scratch.student.data();
  const A most = Maximum(student, padded);
  const double inverse = 1 / weights.temperature;
  RowSums sums;
  GradientTerms<A> terms;
  terms.scale = static_cast<A>(inverse);
  if (label >= 0) HardLabel(SumExp(student, padded, most, A{1}), most, student[label], weights.mlm, sums, terms);

  const std::size_t kept = teacher.ids.size();
  scratch.teacher.resize(kept);
  double inside = 0, mass = 0;
  for (std::size_t k = 0; k < kept; ++k) {
    A& logit = student[teacher.ids[k]];
    scratch.teacher[k] = logit;
    inside += std::exp(static_cast<double>(logit - most) * inverse);
    mass += std::exp(teacher.logits[k] * inverse - teacher.log_partition);
    logit = static_cast<A>(kPadding);
  }
  const double outside = std::max(SumExp(student, padded, most, terms.scale), kTinyMass * inside);
  const double log_partition = static_cast<double>(most) * inverse + std::log(inside + outside);
  const double rest = std::max(1 - mass, kTinyMass), student_rest = outside / (inside + outside);
  const double weight = weights.kl * inverse;
  sums.kl = rest * std::log(rest / student_rest);
  terms.soft = static_cast<A>(weight * (mass + rest - rest / student_rest));
  terms.soft_log_partition = static_cast<A>(log_partition);
  Gradient(student, nullptr, padded, terms);

  for (std::size_t k = 0; k < kept; ++k) {
    const auto logit = static_cast<double>(scratch.teacher[k]);
    const double log_p = teacher.logits[k] * inverse - teacher.log_partition, log_q = logit * inverse - log_partition;
    const double p = std::exp(log_p);
    sums.kl += p * (log_p - log_q);
    double gradient = weight * (std::exp(log_q) * (mass + rest) - p);
    if (label >= 0) gradient += weights.mlm * std::exp(logit - static_cast<double>(terms.hard_log_partition));
    student[teacher.ids[k]] = static_cast<A>(gradient);
  }
  if (label >= 0) student[label] -= terms.hard;
  StoreRow(student, n, logits);
  return sums;
}

template <typename E>
void AddColumnSums(const E* values, std::int64_t rows, std::int64_t n, std::int64_t begin, std::int64_t end,
                   Arithmetic<E>* sums) {
  ColumnSums(values, rows, n, begin, end, sums);
}

void AddBf16(const Bf16* values, std::int64_t size, float* out) { AddBf16Pass(values, size, out); }

#define STILL_INSTANTIATE(E)                                                                              \
  template RowSums DenseRow(E*, const Arithmetic<E>*, std::int64_t, const DenseTeacher<E>&, std::int64_t, \
                            const RowWeights&, RowScratch<Arithmetic<E>>&);                               \
  template RowSums SparseRow(E*, const Arithmetic<E>*, std::int64_t, const SparseTeacher&, std::int64_t,  \
                             const RowWeights&, RowScratch<Arithmetic<E>>&);                              \
  template void AddColumnSums(const E*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, Arithmetic<E>*);
STILL_INSTANTIATE(Bf16)
STILL_INSTANTIATE(float)
STILL_INSTANTIATE(double)

}  // namespace still::worker
