// The shared vocabulary (common/proto/vocabulary.proto) as people read it, and what is true of each phase.
#pragma once

#include <google/protobuf/generated_enum_reflection.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/proto/vocabulary.pb.h"
#include "common/status.h"

namespace still {

namespace v1 = ::stillhouse::v1;

// Returns the words of an enum by their values: the names without the prefix that they share. CAUSE_PROCESS_DEATH is
// "PROCESS_DEATH". An enum with the option `lower_case` has lower-case words: PHASE_PLAN_SHARDS is "plan_shards". The
// value 0 is left out. The result lives as long as the process. Any thread may call this.
const std::map<int, std::string>& WordsOf(const google::protobuf::EnumDescriptor& vocabulary);

// Returns the word for `value`, or an empty one for the unspecified value and for values that only another version
// knows.
std::string EnumWord(const google::protobuf::EnumDescriptor& vocabulary, int value);
template <typename Enum>
std::string EnumWord(Enum value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

// Returns the value that EnumWord calls `word`, or nothing.
template <typename Enum>
std::optional<Enum> EnumNamed(std::string_view word) {
  for (const auto& [value, known] : WordsOf(*google::protobuf::GetEnumDescriptor<Enum>())) {
    if (known == word) return static_cast<Enum>(value);
  }
  return std::nullopt;
}

// Returns all words of the enum but that of `except`, in the order of their values: "queue, top, job".
template <typename Enum>
std::string JoinedWords(std::optional<Enum> except = std::nullopt) {
  std::string text;
  for (const auto& [value, word] : WordsOf(*google::protobuf::GetEnumDescriptor<Enum>())) {
    if (except && static_cast<Enum>(value) == *except) continue;
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
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
