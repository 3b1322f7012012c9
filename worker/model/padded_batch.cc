#include "worker/model/padded_batch.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>

namespace still::worker {

TokenBatch PadBatch(const std::vector<const shards::MaskedSequence*>& sequences) {
  std::size_t longest = 0;
  for (const shards::MaskedSequence* sequence : sequences) longest = std::max(longest, sequence->input.size());
  const auto rows = static_cast<std::int64_t>(sequences.size());
  TokenBatch batch{.tokens = at::zeros({rows, static_cast<std::int64_t>(longest)}, at::kLong),
                   .lengths = at::zeros({rows}, at::kLong)};
  auto* token = batch.tokens.mutable_data_ptr<std::int64_t>();
  batch.full = true;
  auto* length = batch.lengths.mutable_data_ptr<std::int64_t>();
  for (const shards::MaskedSequence* sequence : sequences) {
    std::copy(sequence->input.begin(), sequence->input.end(), token);
    token += longest;
    batch.full = batch.full && sequence->input.size() == longest;
    *length++ = static_cast<std::int64_t>(sequence->input.size());
  }
  return batch;
}

}  // namespace still::worker
