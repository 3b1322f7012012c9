#include "common/enum_words.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <utility>

namespace still {
namespace {

using google::protobuf::EnumDescriptor;

std::map<int, std::string> MakeWords(const EnumDescriptor& vocabulary) {
  std::string_view prefix = vocabulary.value(0)->name();
  for (int i = 1; i < vocabulary.value_count(); ++i) {
    const std::string& name = vocabulary.value(i)->name();
    prefix = prefix.substr(0, static_cast<std::size_t>(std::ranges::mismatch(prefix, name).in1 - prefix.begin()));
  }
  const std::size_t prefix_length = prefix.rfind('_') + 1;
  const bool lower_case = vocabulary.options().GetExtension(v1::lower_case);
  std::map<int, std::string> words;
  for (int i = 0; i < vocabulary.value_count(); ++i) {
    if (vocabulary.value(i)->number() == 0) continue;
    std::string word = vocabulary.value(i)->name().substr(prefix_length);
    if (lower_case) std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
    words[vocabulary.value(i)->number()] = std::move(word);
  }
  return words;
}

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
static_assert(static_cast<int>(Code::kOk) == v1::CODE_OK);
static_assert(static_cast<int>(Code::kInvalidArgument) == v1::CODE_INVALID_ARGUMENT);
static_assert(static_cast<int>(Code::kNotFound) == v1::CODE_NOT_FOUND);
static_assert(static_cast<int>(Code::kAlreadyExists) == v1::CODE_ALREADY_EXISTS);
static_assert(static_cast<int>(Code::kPermissionDenied) == v1::CODE_PERMISSION_DENIED);
static_assert(static_cast<int>(Code::kDataLoss) == v1::CODE_DATA_LOSS);
static_assert(static_cast<int>(Code::kResourceExhausted) == v1::CODE_RESOURCE_EXHAUSTED);
static_assert(static_cast<int>(Code::kUnavailable) == v1::CODE_UNAVAILABLE);
static_assert(static_cast<int>(Code::kAborted) == v1::CODE_ABORTED);
static_assert(static_cast<int>(Code::kCancelled) == v1::CODE_CANCELLED);

}  // namespace

const std::map<int, std::string>& WordsOf(const EnumDescriptor& vocabulary) {
  static std::mutex mutex;
  static std::map<const EnumDescriptor*, std::map<int, std::string>> known;  // guarded by the mutex; only grows
  const std::lock_guard<std::mutex> lock(mutex);
  const auto at = known.find(&vocabulary);
  return at != known.end() ? at->second : known.emplace(&vocabulary, MakeWords(vocabulary)).first->second;
}

std::string EnumWord(const EnumDescriptor& vocabulary, int value) {
  const std::map<int, std::string>& words = WordsOf(vocabulary);
  const auto word = words.find(value);
  return word == words.end() ? "" : word->second;
}

const PhaseFacts& FactsOf(v1::Phase phase) {
  return kFacts[v1::Phase_IsValid(phase) ? static_cast<std::size_t>(phase) : std::size_t{0}];
}

v1::StatusCode CodeOnWire(Code code) { return static_cast<v1::StatusCode>(code); }

Code CodeFromWire(v1::StatusCode code) {
  return v1::StatusCode_IsValid(code) ? static_cast<Code>(code) : Code::kInternal;
}

}  // namespace still
