#include "worker/device/host_kernels.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "common/check.h"
#include "worker/device/adamw.h"
#include "worker/device/dropout_mask.h"
#include "worker/device/exact_sum.h"
#include "worker/device/vocabulary_rows.h"

namespace still::worker {
namespace {

constexpr char kUnknownType[] = "matrix products are in float, bfloat16 or double";

class HostKernels final : public DeviceKernels {
 public:
  explicit HostKernels(HostAddress address) : address_(address) {}

  void FillDropout(const at::Tensor& mask, const DropoutSite& site, double keep) const override {
    switch (mask.scalar_type()) {
      case at::kFloat: return Fill(mask, site, static_cast<float>(keep));
      case at::kDouble: return Fill(mask, site, keep);
      case at::kBFloat16: return Fill<std::uint16_t>(mask, site, c10::BFloat16(static_cast<float>(keep)).x);
      default: STILL_CHECK(false, kUnknownType);
    }
  }

  void VocabularyRows(const at::Tensor& logits, const at::Tensor& bias, const TeacherRows& teacher,
                      const at::Tensor& labels, const RowWeights& weights, const at::Tensor& sums) const override {
    switch (logits.scalar_type()) {
      case at::kBFloat16: return Rows<Bf16>(logits, bias, teacher, labels, weights, sums);
      case at::kFloat: return Rows<float>(logits, bias, teacher, labels, weights, sums);
      case at::kDouble: return Rows<double>(logits, bias, teacher, labels, weights, sums);
      default: STILL_CHECK(false, kUnknownType);
    }
  }

  void AddColumnSums(const at::Tensor& values, const at::Tensor& sums) const override {
    switch (values.scalar_type()) {
      case at::kBFloat16: return Columns<Bf16>(values, sums);
      case at::kFloat: return Columns<float>(values, sums);
      case at::kDouble: return Columns<double>(values, sums);
      default: STILL_CHECK(false, kUnknownType);
    }
  }

  void AddBfloat16(const at::Tensor& values, const at::Tensor& sums) const override {
    const auto in = At<Bf16>(values);
    const auto out = At<float>(sums);
    STILL_CHECK(in.size() == out.size(), "a sum for every value");
    at::parallel_for(0, values.numel(), 1 << 16, [&](std::int64_t from, std::int64_t to) {
      AddBf16(in.data() + from, to - from, out.data() + from);
    });
  }

  void AddRowsInOrder(const at::Tensor& values, const at::Tensor& order, const at::Tensor& rows,
                      const at::Tensor& sums) const override {
    if (values.scalar_type() == at::kDouble) return AddRows<double>(values, order, rows, sums);
    AddRows<float>(values, order, rows, sums);
  }

  void AddFixed(const at::Tensor& values, const at::Tensor& sums, const at::Tensor& bad) const override {
    const auto in = At<float>(values);
    if (!worker::AddFixed(in, At<std::int64_t>(sums))) At<double>(bad)[0] = 1;
    std::ranges::fill(in, 0.0F);
  }

  void AddFloats(const at::Tensor& values, const at::Tensor& sums, const at::Tensor& bad) const override {
    const auto in = At<float>(values), out = At<float>(sums);
    STILL_CHECK(in.size() == out.size(), "a sum for every value");
    std::int32_t any = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      any |= static_cast<std::int32_t>(!(std::fabs(in[i]) < static_cast<float>(kMaxTerm)));  // true for NaN
      out[i] += in[i];
      in[i] = 0;
    }
    if (any != 0) At<double>(bad)[0] = 1;
  }

  void FixedToFloat(const at::Tensor& sums, const at::Tensor& values) const override {
    worker::FixedToFloat(At<std::int64_t>(sums), At<float>(values));
  }

  void Norm(const at::Tensor& values, const at::Tensor& norm) const override {
    const auto in = At<float>(values);
    double sum = 0;
    for (std::size_t begin = 0; begin < in.size(); begin += kNormBlock)
      sum += SumSquaresOfBlock(in.subspan(begin, std::min(kNormBlock, in.size() - begin)));
    At<double>(norm)[0] = std::sqrt(sum);
  }

  void UpdateAdamW(const AdamWBuffers& buffers, std::span<const AdamWRange> ranges, const AdamWScalars& scalars,
                   const at::Tensor& norm) const override {
    const float clip = ClipFactor(At<double>(norm)[0], scalars.clip_norm);
    const auto weights = At<float>(buffers.weights), gradients = At<float>(buffers.gradients),
               first = At<float>(buffers.first_moment), second = At<float>(buffers.second_moment);
    for (const AdamWRange& range : ranges) {
      const auto begin = static_cast<std::size_t>(range.begin), size = static_cast<std::size_t>(range.size);
      worker::UpdateAdamW(scalars, clip, range.decays, gradients.subspan(begin, size), first.subspan(begin, size),
                          second.subspan(begin, size), weights.subspan(begin, size));
    }
  }

 private:
  template <typename T>
  std::span<T> At(const at::Tensor& tensor) const {
    STILL_CHECK(tensor.is_contiguous(), "kernels take contiguous memory");
    STILL_CHECK(static_cast<std::size_t>(tensor.element_size()) == sizeof(T), "a tensor of another type");
    return {static_cast<T*>(address_(tensor.mutable_data_ptr())), static_cast<std::size_t>(tensor.numel())};
  }

  template <typename T>
  void Fill(const at::Tensor& mask, const DropoutSite& site, T keep) const {
    T* const out = At<T>(mask).data();
    const std::int64_t groups = (mask.numel() + kMaskGroup - 1) / kMaskGroup;
    at::parallel_for(0, groups, 256, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = begin * kMaskGroup;
      FillDropoutMask(site.key, site.site, site.threshold, keep, first,
                      std::min(end * kMaskGroup, mask.numel()) - first, out + first);
    });
  }

  template <typename E>
  void Rows(const at::Tensor& logits, const at::Tensor& bias, const TeacherRows& teacher, const at::Tensor& labels,
            const RowWeights& weights, const at::Tensor& sums) const {
    const std::int64_t count = logits.size(0), n = logits.size(1);
    E* const row = At<E>(logits).data();
    const auto* const bias_of = At<Arithmetic<E>>(bias).data();
    const auto label = At<std::int64_t>(labels);
    STILL_CHECK(label.size() == static_cast<std::size_t>(count), "a label for every row");
    std::vector<RowSums> row_sums(label.size());
    at::parallel_for(0, count, 8, [&](std::int64_t from, std::int64_t to) {
      RowScratch<Arithmetic<E>> scratch;
      for (std::int64_t i = from; i < to; ++i) {
        const auto at = static_cast<std::size_t>(i);
        row_sums[at] = teacher.ids.defined()
                           ? SparseRow(row + i * n, bias_of, n, SparseAt(teacher, at), label[at], weights, scratch)
                           : DenseRow(row + i * n, bias_of, n, DenseAt<E>(teacher, i * n), label[at], weights, scratch);
      }
    });
    const auto total = At<double>(sums);
    for (const RowSums& one : row_sums) {
      total[kKlTerm] += one.kl;
      total[kMlmTerm] += one.mlm;
      total[kCorrectTerm] += one.correct ? 1 : 0;
    }
  }

  SparseTeacher SparseAt(const TeacherRows& teacher, std::size_t row) const {
    const auto kept = static_cast<std::size_t>(teacher.ids.size(1));
    return {At<std::int64_t>(teacher.ids).subspan(row * kept, kept),
            At<float>(teacher.logits).subspan(row * kept, kept), At<float>(teacher.log_partition)[row]};
  }

  template <typename E>
  DenseTeacher<E> DenseAt(const TeacherRows& teacher, std::int64_t element) const {
    if (!teacher.dense.defined()) return {};
    return {At<E>(teacher.dense).data() + element, At<Arithmetic<E>>(teacher.bias).data()};
  }

  template <typename E>
  void Columns(const at::Tensor& values, const at::Tensor& sums) const {
    const std::int64_t rows = values.size(0), n = values.size(1);
    const auto in = At<E>(values);
    const auto out = At<Arithmetic<E>>(sums);
    at::parallel_for(0, n, 4096, [&](std::int64_t from, std::int64_t to) {
      worker::AddColumnSums(in.data(), rows, n, from, to, out.data());
    });
  }

  template <typename T>
  void AddRows(const at::Tensor& values, const at::Tensor& order, const at::Tensor& rows,
               const at::Tensor& sums) const {
    const std::int64_t width = sums.size(1);
    const auto from = At<std::int64_t>(order), to = At<std::int64_t>(rows);
    const T* const in = At<T>(values).data();
    T* const out = At<T>(sums).data();
    // A thread has columns of its own, because one row may take the values of many.
    at::parallel_for(0, width, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        const T* const value = in + from[i] * width;
        T* const sum = out + to[i] * width;
        for (std::int64_t k = begin; k < end; ++k) sum[k] += value[k];
      }
    });
  }

  const HostAddress address_;
};

}  // namespace

std::unique_ptr<DeviceKernels> MakeHostKernels(HostAddress address) { return std::make_unique<HostKernels>(address); }

}  // namespace still::worker
