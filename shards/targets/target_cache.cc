#include "shards/targets/target_cache.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/bytes.h"
#include "common/check.h"
#include "common/faults/fault_point.h"
#include "common/parse_number.h"

namespace still::shards {
namespace {

constexpr float kLargestHalf = 65504;

std::string KeyOf(std::uint32_t sequence, std::uint32_t variant) {
  return BigEndianKey(std::uint64_t{sequence} << 32 | variant);
}

// Returns true when every value is within the range of a half. NaN is not.
bool FitsHalf(const std::vector<float>& values) {
  bool fits = true;
  for (const float value : values) fits &= std::abs(value) <= kLargestHalf;
  return fits;
}

bool Finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

void AddRecord(std::string_view key, std::string_view value, Sha256* digest) {
  digest->Update(key);
  digest->Update(AsBytes(static_cast<std::uint64_t>(value.size())));
  digest->Update(value);
}

// Returns "name=value" lines in this order, an empty line, and the identity as given.
std::string FormatProperties(const TargetSpec& spec, const TargetShardSummary& summary, std::string_view identity) {
  return fmt::format("codec={}\nwidth={}\ntemperature={}\ndigest={}\nrecords={}\npositions={}\nbytes={}\n\n{}",
                     CodecName(spec.codec), spec.width, spec.temperature, summary.digest, summary.records,
                     summary.positions, summary.bytes, identity);
}

// Removes the line "name=value" from the front of `text`. Returns false when it is not there.
bool TakeField(std::string_view name, std::string_view* text, std::string_view* value) {
  const std::size_t end = text->find('\n');
  if (end == std::string_view::npos || !text->starts_with(name) || end <= name.size() || (*text)[name.size()] != '=') {
    return false;
  }
  *value = text->substr(name.size() + 1, end - name.size() - 1);
  text->remove_prefix(end + 1);
  return true;
}

template <typename T>
bool TakeNumber(std::string_view name, std::string_view* text, T* number) {
  std::string_view value;
  return TakeField(name, text, &value) && ParseNumber(value, number);
}

}  // namespace

Result<std::unique_ptr<TargetWriter>> TargetWriter::Create(const ShardPlace& place, const TargetSpec& spec) {
  STILL_CHECK(spec.width > 0, "a target has at least one value per position");
  STILL_ASSIGN_OR_RETURN(auto kv, SealedKvWriter::Create(place.path, place.staged_as));
  return std::unique_ptr<TargetWriter>(new TargetWriter(std::move(kv), place, spec));
}

Status TargetWriter::Append(std::uint32_t sequence, std::uint32_t variant, const TargetRecord& record) {
  if (!FitsHalf(record.hidden) || !FitsHalf(record.logits) || !Finite(record.log_partition)) {
    return Error(Code::kDataLoss,
                 "target of sequence {}, variant {} for {}: the teacher's output is not finite or exceeds {}, the "
                 "largest half; check the teacher's weights",
                 sequence, variant, place_.path, kLargestHalf);
  }
  const std::string key = KeyOf(sequence, variant);
  const std::string value = EncodeTarget(spec_, record);
  STILL_RETURN_IF_ERROR(kv_->Put(key, value));
  AddRecord(key, value, &digest_);
  summary_.records += 1;
  summary_.positions += record.positions;
  summary_.bytes += value.size();
  return Ok();
}

Result<std::string> TargetWriter::Seal(std::string_view identity) {
  summary_.digest = Hex(digest_.Finish());
  STILL_RETURN_IF_ERROR(FaultPoint("targets.seal"));
  const Status sealed = kv_->Seal(FormatProperties(spec_, summary_, identity));
  if (sealed.ok()) return summary_.digest;
  return CompareWithStanding("targets " + place_.path, sealed, summary_.digest, StandingDigest(identity));
}

Result<std::string> TargetWriter::StandingDigest(std::string_view identity) const {
  STILL_ASSIGN_OR_RETURN(const auto standing, OpenStanding(place_, TargetReader::Open));
  if (standing->spec() == spec_ && standing->identity() == identity) return standing->summary().digest;
  return Error(Code::kDataLoss,
               "targets {}: the shard that stands there is of another artifact; remove it and run again", place_.path);
}

Result<std::unique_ptr<TargetReader>> TargetReader::Open(const std::string& path) {
  std::unique_ptr<TargetReader> reader(new TargetReader(path));
  STILL_ASSIGN_OR_RETURN(reader->kv_, SealedKv::Open(path));
  STILL_RETURN_IF_ERROR(reader->ParseProperties());
  return reader;
}

Status TargetReader::ParseProperties() {
  std::string_view text = kv_->properties();
  std::string_view codec_name;
  std::string_view digest;
  if (!TakeField("codec", &text, &codec_name) || !TakeNumber("width", &text, &spec_.width) ||
      !TakeNumber("temperature", &text, &spec_.temperature) || !TakeField("digest", &text, &digest) ||
      !TakeNumber("records", &text, &summary_.records) || !TakeNumber("positions", &text, &summary_.positions) ||
      !TakeNumber("bytes", &text, &summary_.bytes) || !text.starts_with('\n')) {
    return Error(Code::kDataLoss,
                 "targets {}: its properties are not those of a target database; remove it and run again", path_);
  }
  const auto codec = ParseCodec(codec_name);
  if (!codec.ok()) return Status(Code::kDataLoss, codec.status().message()).WithContext("targets " + path_);
  spec_.codec = *codec;
  summary_.digest = digest;
  identity_ = text.substr(1);
  return Ok();
}

Status TargetReader::Read(std::uint32_t sequence, std::uint32_t variant, std::uint64_t masked_hash,
                          TargetRecord* record) const {
  // The buffer is thread-local, so that readers share nothing and the bytes of a record are allocated once.
  thread_local std::string bytes;
  Status status = kv_->Get(KeyOf(sequence, variant), &bytes);
  if (status.ok()) status = DecodeTarget(spec_, bytes, record);
  if (status.ok() && record->masked_hash != masked_hash) {
    status = Error(Code::kDataLoss,
                   "computed from another masked input (hash {:016x}, asked for {:016x}): the corpus, mask or teacher "
                   "changed under it; remove the targets artifact and run again",
                   record->masked_hash, masked_hash);
  }
  if (status.ok()) return status;
  return status.WithContext(fmt::format("target of sequence {}, variant {} in {}", sequence, variant, path_));
}

Status TargetReader::Verify() const {
  Sha256 digest;
  TargetRecord record;
  const Status visited = kv_->ForEach([&](std::string_view key, std::string_view value) {
    AddRecord(key, value, &digest);
    return DecodeTarget(spec_, value, &record);
  });
  if (!visited.ok()) return visited.WithContext("targets " + path_);
  const std::string actual = Hex(digest.Finish());
  if (actual == summary_.digest) return Ok();
  return Error(Code::kDataLoss, "targets {}: its records have the digest {}, sealed as {}; remove it and run again",
               path_, actual, summary_.digest);
}

}  // namespace still::shards
