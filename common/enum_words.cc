#include "common/enum_words.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace still {
namespace internal {
namespace {

// Returns the length of what all names of the enum begin with, up to an underscore.
std::size_t PrefixLength(const google::protobuf::EnumDescriptor& vocabulary) {
  std::string_view prefix = vocabulary.value(0)->name();
  for (int i = 1; i < vocabulary.value_count(); ++i) {
    const std::string& name = vocabulary.value(i)->name();
    prefix = prefix.substr(0, static_cast<std::size_t>(std::ranges::mismatch(prefix, name).in1 - prefix.begin()));
  }
  return prefix.rfind('_') + 1;
}

}  // namespace

std::string EnumName(const google::protobuf::EnumDescriptor& vocabulary, int value) {
  const google::protobuf::EnumValueDescriptor* const found = vocabulary.FindValueByNumber(value);
  if (found == nullptr || found->number() == 0) return "";
  return found->name().substr(PrefixLength(vocabulary));
}

std::string EnumWord(const google::protobuf::EnumDescriptor& vocabulary, int value) {
  std::string word = EnumName(vocabulary, value);
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word;
}

std::optional<int> EnumNamed(const google::protobuf::EnumDescriptor& vocabulary, std::string_view word) {
  for (int i = 1; i < vocabulary.value_count(); ++i) {
    const int value = vocabulary.value(i)->number();
    if (EnumWord(vocabulary, value) == word) return value;
  }
  return std::nullopt;
}

}  // namespace internal

namespace {

using Table = std::array<PhaseFacts, v1::Phase_ARRAYSIZE>;

constexpr Table MakeTable() {
  Table table;
  table[v1::PHASE_START] = {.goodput = v1::GOODPUT_KIND_RECOVERY};
  table[v1::PHASE_RESTORE] = {.goodput = v1::GOODPUT_KIND_RECOVERY, .waits_for_others = true};
  table[v1::PHASE_DATA] = {.goodput = v1::GOODPUT_KIND_DATA, .part_of_step = true, .works_alone = true};
  table[v1::PHASE_COMPUTE] = {.goodput = v1::GOODPUT_KIND_COMPUTE, .part_of_step = true, .works_alone = true};
  table[v1::PHASE_REDUCE] = {.goodput = v1::GOODPUT_KIND_REDUCE, .part_of_step = true, .waits_for_others = true};
  table[v1::PHASE_VOTE] = {.goodput = v1::GOODPUT_KIND_VOTE, .part_of_step = true, .waits_for_others = true};
  table[v1::PHASE_OPTIMIZER] = {.goodput = v1::GOODPUT_KIND_COMPUTE, .part_of_step = true, .works_alone = true};
  table[v1::PHASE_SNAPSHOT] = {.goodput = v1::GOODPUT_KIND_CHECKPOINT, .part_of_step = true, .works_alone = true};
  table[v1::PHASE_CHECKPOINT] = {.goodput = v1::GOODPUT_KIND_CHECKPOINT, .part_of_step = true, .works_alone = true};
  table[v1::PHASE_RECOVER] = {.goodput = v1::GOODPUT_KIND_RECOVERY, .part_of_step = true, .waits_for_others = true};
  table[v1::PHASE_INFERENCE] = {.goodput = v1::GOODPUT_KIND_COMPUTE, .works_alone = true};
  table[v1::PHASE_LOAD] = {.goodput = v1::GOODPUT_KIND_RECOVERY, .works_alone = true, .shows_progress = true};
  for (const v1::Phase phase :
       {v1::PHASE_TOKENISE, v1::PHASE_PLAN_SHARDS, v1::PHASE_COPY, v1::PHASE_SEAL, v1::PHASE_COMMIT}) {
    table[phase] = {.goodput = v1::GOODPUT_KIND_COMPUTE, .works_alone = true, .shows_progress = true};
  }
  table[v1::PHASE_WAIT] = {.goodput = v1::GOODPUT_KIND_OTHER};
  table[v1::PHASE_SHUTDOWN] = {.goodput = v1::GOODPUT_KIND_OTHER, .waits_for_others = true};
  return table;
}

constexpr Table kFacts = MakeTable();

static_assert(static_cast<int>(Code::kInternal) == v1::CODE_INTERNAL && v1::StatusCode_MAX == v1::CODE_INTERNAL);
static_assert(static_cast<int>(Code::kInvalidArgument) == v1::CODE_INVALID_ARGUMENT);
static_assert(static_cast<int>(Code::kDataLoss) == v1::CODE_DATA_LOSS);
static_assert(static_cast<int>(Code::kUnavailable) == v1::CODE_UNAVAILABLE);
static_assert(static_cast<int>(Code::kCancelled) == v1::CODE_CANCELLED);

}  // namespace

const PhaseFacts& FactsOf(v1::Phase phase) {
  return kFacts[v1::Phase_IsValid(phase) ? static_cast<std::size_t>(phase) : std::size_t{0}];
}

v1::StatusCode CodeOnWire(Code code) { return static_cast<v1::StatusCode>(code); }

Code CodeFromWire(v1::StatusCode code) {
  return v1::StatusCode_IsValid(code) ? static_cast<Code>(code) : Code::kInternal;
}

}  // namespace still
