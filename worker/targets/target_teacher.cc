#include "worker/targets/target_teacher.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <utility>

#include "worker/model/encoder.h"
#include "worker/model/model_files.h"
#include "worker/model/padded_batch.h"

namespace still::worker {
namespace {

using shards::MaskedSequence;
using shards::TargetCodec;
using shards::TargetRecord;
using shards::TargetSpec;
using shards::TokenId;

constexpr std::int64_t kRowsAtOnce = 512;  // how many rows of full-vocabulary logits exist at a time

template <typename To, typename From>
std::vector<To> Values(const at::Tensor& contiguous) {
  const From* data = contiguous.const_data_ptr<From>();
  return std::vector<To>(data, data + contiguous.numel());
}

class ModelTeacher final : public TargetTeacher {
 public:
  ModelTeacher(ParameterSet parameters, const TargetSpec& spec, bool all_positions, bool bf16)
      : parameters_(std::move(parameters)),
        spec_(spec),
        all_positions_(all_positions),
        compute_{.matmul = bf16 ? at::kBFloat16 : at::kFloat} {}

  const TargetSpec& spec() const override { return spec_; }

  std::vector<TargetRecord> Run(const std::vector<const MaskedSequence*>& batch) const override {
    const c10::InferenceMode inference;
    std::vector<TargetRecord> records(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      records[i].masked_hash = batch[i]->hash;
      records[i].positions =
          static_cast<std::uint32_t>(all_positions_ ? batch[i]->input.size() : batch[i]->positions.size());
    }
    const TokenBatch tokens = PadBatch(batch);
    const at::Tensor hidden = EncoderForward(parameters_, tokens, Dropout{}, compute_);
    const at::Tensor rows =
        hidden.reshape({-1, hidden.size(-1)}).index_select(0, TargetRows(batch, tokens.tokens.size(1)));
    spec_.codec == TargetCodec::kHiddenF16 ? StoreHidden(rows, &records) : StoreTopK(rows, &records);
    return records;
  }

 private:
  // Returns the flat index b*S+s of every target position, ascending.
  at::Tensor TargetRows(const std::vector<const MaskedSequence*>& batch, std::int64_t padded_length) const {
    std::vector<std::int64_t> rows;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const std::int64_t first = static_cast<std::int64_t>(b) * padded_length;
      if (all_positions_)
        for (std::size_t s = 0; s < batch[b]->input.size(); ++s) rows.push_back(first + static_cast<std::int64_t>(s));
      else
        for (std::uint16_t position : batch[b]->positions) rows.push_back(first + position);
    }
    return at::tensor(rows, at::kLong);
  }

  void StoreHidden(const at::Tensor& rows, std::vector<TargetRecord>* records) const {
    std::int64_t first = 0;
    for (TargetRecord& record : *records) {
      record.hidden = Values<float, float>(rows.narrow(0, first, record.positions));
      first += record.positions;
    }
  }

  void StoreTopK(const at::Tensor& rows, std::vector<TargetRecord>* records) const {
    const at::Tensor transformed = HeadTransform(parameters_, rows, compute_);
    std::vector<at::Tensor> values, ids, partitions;
    for (const at::Tensor& chunk : transformed.split(kRowsAtOnce)) {
      const at::Tensor logits = HeadLogits(parameters_, chunk, compute_);
      auto [top, index] = at::topk(logits, spec_.width, /*dim=*/-1, /*largest=*/true, /*sorted=*/true);
      values.push_back(std::move(top));
      ids.push_back(std::move(index));
      partitions.push_back(at::logsumexp(logits / spec_.temperature, -1));
    }
    const at::Tensor all_values = at::cat(values), all_ids = at::cat(ids), all_partitions = at::cat(partitions);
    std::int64_t first = 0;
    for (TargetRecord& record : *records) {
      record.logits = Values<float, float>(all_values.narrow(0, first, record.positions));
      record.ids = Values<TokenId, std::int64_t>(all_ids.narrow(0, first, record.positions));
      record.log_partition = Values<float, float>(all_partitions.narrow(0, first, record.positions));
      first += record.positions;
    }
  }

  ParameterSet parameters_;
  TargetSpec spec_;
  bool all_positions_;
  Compute compute_;
};

}  // namespace

Result<std::unique_ptr<TargetTeacher>> TargetTeacher::Load(const std::string& model_directory, TargetSpec spec,
                                                           bool all_positions, bool bf16) {
  STILL_ASSIGN_OR_RETURN(ParameterSet parameters, LoadModel(model_directory, /*trainable=*/false));
  const ModelShape& shape = parameters.shape();
  if (spec.codec == TargetCodec::kHiddenF16) spec.width = static_cast<std::uint32_t>(shape.hidden);
  if (spec.codec == TargetCodec::kTopK && spec.width > shape.vocabulary)
    return Error(Code::kInvalidArgument, "targets.top_k is {}, but the vocabulary of the teacher {} has {} entries",
                 spec.width, model_directory, shape.vocabulary);
  return std::unique_ptr<TargetTeacher>(
      std::make_unique<ModelTeacher>(std::move(parameters), spec, all_positions, bf16));
}

}  // namespace still::worker
