// The bytes of a target record: what the teacher said about one masked sequence. Floats go in and come out; no tensor
// library is needed here.
//
// A record is a header of 16 bytes and its arrays, one after another (docs/formats.md has the fields):
//
// clang-format off
//   codec       arrays                                                                bytes per position
//   hidden_f16  half[positions x width]                                               2 * width
//   topk        u16 ids[positions x width], half[positions x width], f32[positions]   4 * width + 4
//
//   hidden_f16  The teacher's last hidden state. With the frozen head it gives the logits of every class, at any
//               temperature.
//   topk        The `width` largest logits by descending value, their token ids, and log sum exp(logits / T) at the
//               temperature T of the spec.
// clang-format on
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "shards/text/tokens.h"

namespace still::shards {

enum class TargetCodec { kHiddenF16, kTopK };

struct TargetSpec {
  TargetCodec codec = TargetCodec::kHiddenF16;
  std::uint32_t width = 0;   // the hidden size, or k
  double temperature = 2.0;  // of the log-partition of topk

  bool operator==(const TargetSpec&) const = default;
};

// Returns "hidden_f16" or "topk".
std::string_view CodecName(TargetCodec codec);
// Returns the codec with that name. INVALID_ARGUMENT for any other name.
Result<TargetCodec> ParseCodec(std::string_view name);

// Targets of one masked sequence. Arrays are row-major with one row per position.
struct TargetRecord {
  std::uint64_t masked_hash = 0;  // MaskedSequence::hash of the sequence that the teacher saw
  std::uint32_t positions = 0;
  // clang-format off
  std::vector<float> hidden;         // positions x width              (hidden_f16)
  std::vector<TokenId> ids;          // positions x width, the likeliest first  (topk)
  std::vector<float> logits;         // positions x width              (topk)
  std::vector<float> log_partition;  // positions                      (topk)
  // clang-format on
};

// Returns the bytes of `record`. The sizes of its arrays must be those of `spec`.
std::string EncodeTarget(const TargetSpec& spec, const TargetRecord& record);
// Fills `record`, whose vectors are reused, from `bytes`. DATA_LOSS when the bytes are not a record of `spec`; the
// contents of `record` are then unspecified.
Status DecodeTarget(const TargetSpec& spec, std::string_view bytes, TargetRecord* record);

}  // namespace still::shards
