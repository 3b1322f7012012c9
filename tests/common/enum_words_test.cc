#include "common/enum_words.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/death_text.h"
#include "common/faults/fault_names.h"

namespace still {
namespace {

// Every value but the unspecified one has a word of its own, and the word leads back to the value.
template <typename Enum>
void ExpectWordsRoundTrip() {
  const google::protobuf::EnumDescriptor& vocabulary = *google::protobuf::GetEnumDescriptor<Enum>();
  std::set<std::string> words;
  for (int i = 1; i < vocabulary.value_count(); ++i) {
    const auto value = static_cast<Enum>(vocabulary.value(i)->number());
    const std::string word = EnumWord(value);
    EXPECT_FALSE(word.empty()) << vocabulary.value(i)->name();
    EXPECT_TRUE(words.insert(word).second) << word << " stands for two values of " << vocabulary.name();
    EXPECT_EQ(EnumNamed<Enum>(word), value) << word;
  }
  EXPECT_EQ(EnumWord(static_cast<Enum>(vocabulary.value(0)->number())), "");
  EXPECT_EQ(EnumNamed<Enum>(""), std::nullopt);
}

TEST(EnumWordsTest, EveryWordIsUniqueAndLeadsBackToItsValue) {
  ExpectWordsRoundTrip<v1::Stage>();
  ExpectWordsRoundTrip<v1::StatusCode>();
  ExpectWordsRoundTrip<v1::Phase>();
  ExpectWordsRoundTrip<v1::GoodputKind>();
  ExpectWordsRoundTrip<v1::DeathCause>();
  ExpectWordsRoundTrip<v1::JobState>();
  ExpectWordsRoundTrip<v1::Cause>();
  ExpectWordsRoundTrip<v1::JobFlag>();
  ExpectWordsRoundTrip<v1::HostState>();
  EXPECT_EQ(EnumWord(v1::PHASE_PLAN_SHARDS), "plan_shards");
  EXPECT_EQ(EnumWord(v1::JOB_HELD), "HELD");
}

TEST(EnumWordsTest, WordsAreJoinedInTheirOrderWithoutTheExcepted) {
  EXPECT_EQ(JoinedWords<v1::Stage>(), "corpus, teacher, targets, train, evaluate, export");
  EXPECT_EQ(JoinedWords<v1::Stage>(/*except=*/v1::STAGE_TARGETS), "corpus, teacher, train, evaluate, export");
}

TEST(EnumWordsTest, EveryStageIsAScopeOfFaults) {
  for (const auto& [stage, word] : WordsOf(*v1::Stage_descriptor()))
    EXPECT_TRUE(CheckFaultName(word + ".compute", "kill").ok()) << word;
}

TEST(EnumWordsTest, EveryCodeConvertsBothWays) {
  for (int number = 0; number <= static_cast<int>(Code::kInternal); ++number) {
    const auto code = static_cast<Code>(number);
    EXPECT_TRUE(v1::StatusCode_IsValid(CodeOnWire(code))) << number;
    EXPECT_EQ(CodeFromWire(CodeOnWire(code)), code) << number;
  }
  EXPECT_EQ(CodeFromWire(static_cast<v1::StatusCode>(99)), Code::kInternal);
}

TEST(DeathTextTest, SaysWhoDiedWhereAndHow) {
  v1::Death death;
  death.set_cause(v1::DEATH_CAUSE_HUNG);
  death.add_ranks(1);
  death.set_phase(v1::PHASE_COMPUTE);
  death.set_step(17);
  EXPECT_EQ(DeathText(death), "rank 1 hung in compute of step 17");
  death.set_cause(v1::DEATH_CAUSE_DIED);
  death.add_ranks(2);
  death.add_ranks(3);
  EXPECT_EQ(DeathText(death), "ranks 1, 2 and 3 died in step 17");
  death.set_cause(v1::DEATH_CAUSE_HOST_LOST);
  death.set_host("b");
  death.set_silent_seconds(15);
  EXPECT_EQ(DeathText(death), "host b was lost: its ranks 1, 2 and 3 have been silent for 15.0 s");
}

TEST(DeathTextTest, SaysHowTheJobWentOn) {
  v1::Recovery recovery;
  recovery.set_generation(4);
  recovery.mutable_death()->set_cause(v1::DEATH_CAUSE_DIED);
  recovery.mutable_death()->add_ranks(0);
  recovery.mutable_death()->set_phase(v1::PHASE_START);
  recovery.set_pause_seconds(1.5);
  EXPECT_EQ(RecoveryText(recovery), "rank 0 died in start; launched again as generation 4 (1.5 s)");
  recovery.set_in_place(true);
  recovery.set_survivors(2);
  EXPECT_EQ(RecoveryText(recovery), "rank 0 died in start; generation 4 goes on in place with 2 ranks");
}

}  // namespace
}  // namespace still
