#include "shards/targets/target_codec.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "common/bytes.h"
#include "common/check.h"

namespace still::shards {
namespace {

struct RecordHeader {
  std::uint64_t masked_hash;
  std::uint32_t width;
  std::uint16_t positions;
  std::uint16_t codec;
};
static_assert(sizeof(RecordHeader) == 16);

// IEEE half. Conversions round to nearest even. Every compiler target that we build for has this type.
__extension__ typedef _Float16 Half;

#if defined(__x86_64__)

// Without these instructions each conversion is a library call, and a record has 50,000 of them.
__attribute__((target("avx,f16c"))) std::size_t ToHalfBy8(const float* from, std::size_t count, Half* to) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
  }
  return i;
}

__attribute__((target("avx,f16c"))) std::size_t FromHalfBy8(const char* from, std::size_t count, float* to) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * sizeof(Half)));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
  return i;
}

bool HasF16c() {
  static const bool has = __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
  return has;
}

#else

std::size_t ToHalfBy8(const float*, std::size_t, Half*) { return 0; }
std::size_t FromHalfBy8(const char*, std::size_t, float*) { return 0; }
bool HasF16c() { return false; }

#endif

void AppendHalves(const std::vector<float>& values, std::string* out) {
  std::vector<Half> halves(values.size());
  std::size_t i = HasF16c() ? ToHalfBy8(values.data(), values.size(), halves.data()) : 0;
  for (; i < values.size(); ++i) halves[i] = static_cast<Half>(values[i]);
  out->append(reinterpret_cast<const char*>(halves.data()), halves.size() * sizeof(Half));
}

void LoadHalves(const char* from, std::size_t count, std::vector<float>* out) {
  out->resize(count);
  std::size_t i = HasF16c() ? FromHalfBy8(from, count, out->data()) : 0;
  for (; i < count; ++i) {
    Half half;
    std::memcpy(&half, from + i * sizeof half, sizeof half);
    (*out)[i] = static_cast<float>(half);
  }
}

template <typename T>
void AppendArray(const std::vector<T>& values, std::string* out) {
  out->append(AsText(std::as_bytes(std::span(values))));
}

template <typename T>
const char* LoadArray(const char* from, std::size_t count, std::vector<T>* out) {
  out->resize(count);
  if (count > 0) std::memcpy(out->data(), from, count * sizeof(T));
  return from + count * sizeof(T);
}

std::size_t BytesPerPosition(const TargetSpec& spec) {
  return spec.codec == TargetCodec::kHiddenF16 ? std::size_t{2} * spec.width : std::size_t{4} * spec.width + 4;
}

}  // namespace

std::string_view CodecName(TargetCodec codec) { return codec == TargetCodec::kHiddenF16 ? "hidden_f16" : "topk"; }

Result<TargetCodec> ParseCodec(std::string_view name) {
  if (name == "hidden_f16") return TargetCodec::kHiddenF16;
  if (name == "topk") return TargetCodec::kTopK;
  return Error(Code::kInvalidArgument, "unknown target codec \"{}\"; there are hidden_f16 and topk", name);
}

std::string EncodeTarget(const TargetSpec& spec, const TargetRecord& record) {
  STILL_CHECK(record.positions <= std::numeric_limits<std::uint16_t>::max(), "a sequence has at most 65535 tokens");
  const std::size_t count = std::size_t{record.positions} * spec.width;
  std::string bytes;
  bytes.reserve(sizeof(RecordHeader) + record.positions * BytesPerPosition(spec));
  AppendLittleEndian(bytes, RecordHeader{.masked_hash = record.masked_hash,
                                         .width = spec.width,
                                         .positions = static_cast<std::uint16_t>(record.positions),
                                         .codec = static_cast<std::uint16_t>(spec.codec)});
  if (spec.codec == TargetCodec::kHiddenF16) {
    STILL_CHECK(record.hidden.size() == count, "one hidden vector per position");
    AppendHalves(record.hidden, &bytes);
  } else {
    STILL_CHECK(
        record.ids.size() == count && record.logits.size() == count && record.log_partition.size() == record.positions,
        "k ids, k logits and one log-partition per position");
    AppendArray(record.ids, &bytes);
    AppendHalves(record.logits, &bytes);
    AppendArray(record.log_partition, &bytes);
  }
  return bytes;
}

Status DecodeTarget(const TargetSpec& spec, std::string_view bytes, TargetRecord* record) {
  if (bytes.size() < sizeof(RecordHeader)) {
    return Error(Code::kDataLoss, "{} bytes are too few for a target record", bytes.size());
  }
  const auto header = LoadLittleEndian<RecordHeader>(AsBytes(bytes).data());
  if (header.codec != static_cast<std::uint16_t>(spec.codec) || header.width != spec.width) {
    return Error(Code::kDataLoss, "its codec {} and width {} are not those of the database, {} ({}) and {}",
                 header.codec, header.width, static_cast<int>(spec.codec), CodecName(spec.codec), spec.width);
  }
  const std::size_t expected = sizeof header + header.positions * BytesPerPosition(spec);
  if (bytes.size() != expected) {
    return Error(Code::kDataLoss, "{} bytes where {} positions need {}", bytes.size(), header.positions, expected);
  }
  const std::size_t count = std::size_t{header.positions} * spec.width;
  const char* at = bytes.data() + sizeof header;
  record->masked_hash = header.masked_hash;
  record->positions = header.positions;
  record->hidden.clear();
  record->ids.clear();
  record->logits.clear();
  record->log_partition.clear();
  if (spec.codec == TargetCodec::kHiddenF16) {
    LoadHalves(at, count, &record->hidden);
  } else {
    at = LoadArray(at, count, &record->ids);
    LoadHalves(at, count, &record->logits);
    LoadArray(at + count * sizeof(Half), header.positions, &record->log_partition);
  }
  return Ok();
}

}  // namespace still::shards
