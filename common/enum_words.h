// The shared vocabulary (common/proto/vocabulary.proto) as people read it, and what is true of each phase.
#pragma once

#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/proto/vocabulary.pb.h"
#include "common/status.h"

namespace still {

namespace v1 = ::stillhouse::v1;

namespace internal {
std::string EnumName(const google::protobuf::EnumDescriptor& vocabulary, int value);
std::string EnumWord(const google::protobuf::EnumDescriptor& vocabulary, int value);
std::optional<int> EnumNamed(const google::protobuf::EnumDescriptor& vocabulary, std::string_view word);
}  // namespace internal

// Returns the word for `value`: its name in lower case without the prefix of its enum. PHASE_PLAN_SHARDS is
// "plan_shards". Returns an empty word for the unspecified value and for values that only another version knows.
template <typename Enum>
std::string EnumWord(Enum value) {
  return internal::EnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

// Returns the same word in upper case: CAUSE_PROCESS_DEATH is "PROCESS_DEATH", and JOB_HELD is "HELD".
template <typename Enum>
std::string EnumName(Enum value) {
  return internal::EnumName(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

// Returns the value that EnumWord calls `word`, or nothing.
template <typename Enum>
std::optional<Enum> EnumNamed(std::string_view word) {
  const std::optional<int> value = internal::EnumNamed(*google::protobuf::GetEnumDescriptor<Enum>(), word);
  return value ? std::optional(static_cast<Enum>(*value)) : std::nullopt;
}

// The conclusions that the rest of the system draws from a rank's phase.
struct PhaseFacts {
  v1::GoodputKind goodput = v1::GOODPUT_KIND_OTHER;
  bool part_of_step = false;      // the rank's step number means something
  bool works_alone = false;       // ranks do it one by one, so that the slowest can be told
  bool waits_for_others = false;  // no progress is not this rank's fault
  bool shows_progress = false;    // the rank shows progress all the while, unless a disk keeps it waiting
};
// Returns the facts about `phase`. Those of a phase that only another version knows are the defaults.
const PhaseFacts& FactsOf(v1::Phase phase);

// Converts between the code of a Status and the same code on the wire. A code that only another version knows becomes
// INTERNAL.
v1::StatusCode CodeOnWire(Code code);
Code CodeFromWire(v1::StatusCode code);

}  // namespace still
