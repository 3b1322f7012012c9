// Hostile bytes on the coordinator's socket. The coordinator answers or refuses them, never dies, and its records stay
// valid. The messages are mutations of valid ones, in bytes and in fields, from seeds.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "common/random.h"
#include "coordinator/jobs/decisions.h"
#include "tests/testing/recoveries.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::StatusIs;
using v1::AgentReport;
using v1::CoordinatorMessage;
using v1::Job;
using v1::JobSpec;
using v1::Submit;

constexpr UnixMs kNow = 1'700'000'000'000;

JobSpec ValidSpec(const std::string& digest) {
  JobSpec spec;
  spec.set_name("demo/" + digest);
  spec.set_owner("alice");
  spec.set_stage(v1::STAGE_TRAIN);
  spec.set_artifacts_root("/data/artifacts");
  spec.set_digest(digest);
  spec.set_ranks(4);
  spec.set_slots_per_rank(2);
  spec.set_time_limit_ms(3'600'000);
  spec.set_retries(3);
  spec.set_preemptible(true);
  return spec;
}

Submit ValidSubmit(const std::string& key) {
  Submit submit;
  submit.set_key(key);
  submit.set_name("demo");
  for (int i = 0; i < 3; ++i) {
    JobSpec& spec = *submit.add_jobs();
    spec = ValidSpec(key + "d" + std::to_string(i));
    if (i > 0) spec.add_depends_on(static_cast<std::uint64_t>(i));
  }
  return submit;
}

// Handles a message as the daemon does, without sockets and a disk.
class Victim {
 public:
  Victim() : decisions_({}) {
    std::vector<v1::Host> hosts(3);
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      hosts[i].set_name(std::string(1, static_cast<char>('a' + i)));
      hosts[i].set_slots(16);
    }
    Apply(decisions_.SetHosts(state_, hosts, now_));
    Apply(decisions_.Submit(state_, ValidSubmit("first"), "alice", now_)->changes);
    Advance();
  }

  void Hear(const CoordinatorMessage& message) {
    now_ += 10;
    if (message.has_agent()) {
      Apply(decisions_.OnReport(state_, message.agent(), now_));
      JobDecisions::OrdersFor(state_.FindJob(message.agent().job()), message.agent());
    } else if (message.client().has_submit()) {
      const auto outcome = decisions_.Submit(state_, message.client().submit(), message.client().user(), now_);
      if (outcome.ok()) Apply(outcome->changes);
    } else if (message.client().has_change()) {
      const auto outcome = decisions_.ChangeJobs(state_, message.client().change(), message.client().user(), now_);
      if (outcome.ok()) Apply(outcome->changes);
    } else if (message.client().has_change_host()) {
      const auto changes = decisions_.ChangeHost(state_, message.client().change_host(), message.client().user(), now_);
      if (changes.ok()) Apply(*changes);
    } else if (message.client().has_attach()) {
      const auto& attach = message.client().attach();
      const auto changes = decisions_.AttachLaunch(state_, attach.job().size(), attach.launch(), attach.ranks(), now_);
      if (changes.ok()) Apply(*changes);
    }
    Advance();
    decisions_.Waits(state_, now_);
  }

  const State& state() const { return state_; }
  const std::string& broken() const { return broken_; }

 private:
  void Advance() {
    for (int round = 0; round < 4; ++round) {
      const Changes changes = decisions_.Advance(
          state_, [](const JobSpec&) { return false; }, now_);
      if (changes.empty()) return;
      Apply(changes);
    }
  }
  void Apply(const Changes& changes) {
    state_.Apply(changes);
    if (broken_.empty()) broken_ = BrokenInvariant(state_);
  }

  JobDecisions decisions_;
  State state_;
  UnixMs now_ = kNow;
  std::string broken_;
};

// Returns messages that mean something to a victim with this state.
std::vector<CoordinatorMessage> ValidMessages(const State& state, KeyedRandom& random) {
  std::vector<CoordinatorMessage> messages(6);
  *messages[0].mutable_client()->mutable_submit() = ValidSubmit("key" + std::to_string(random.NextU32()));
  auto& change = *messages[1].mutable_client()->mutable_change();
  change.set_verb(static_cast<v1::JobVerb>(1 + random.NextBelow(5)));
  change.add_jobs(1 + random.NextBelow(static_cast<std::uint32_t>(state.next_job())));
  auto& host = *messages[2].mutable_client()->mutable_change_host();
  host.set_host(random.NextBelow(2) == 0 ? "a" : "b");
  host.set_drain(random.NextBelow(2) == 0);
  host.set_reason("disk swap");
  auto& attach = *messages[3].mutable_client()->mutable_attach();
  attach.set_job("1");
  attach.set_launch("launch");
  attach.set_ranks(4);
  auto& query = *messages[4].mutable_client()->mutable_query();
  query.set_view(stillhouse::v1::VIEW_KIND_JOB);
  query.set_job(1);
  AgentReport& report = *messages[5].mutable_agent();
  const Job* const job = state.FindJob(1 + random.NextBelow(static_cast<std::uint32_t>(state.next_job())));
  report.set_job(job == nullptr ? 99 : job->id());
  report.set_attempt(job == nullptr ? 1 : job->attempt());
  report.set_generation(1 + random.NextBelow(9));
  report.set_running(random.NextBelow(2) == 0);
  *report.add_recoveries() = testing::RecoveryOf({.generation = report.generation()});
  if (random.NextBelow(2) == 0) {
    report.mutable_outcome()->set_code(static_cast<v1::StatusCode>(random.NextBelow(14)));
    report.mutable_outcome()->set_step(random.NextBelow(100));
    if (random.NextBelow(4) == 0) report.mutable_outcome()->set_lost_host("a");
  }
  for (auto& message : messages)
    if (message.has_client()) message.mutable_client()->set_user("alice");
  return messages;
}

void FlipBytes(std::string* bytes, KeyedRandom& random) {
  for (std::uint32_t i = 0, times = 1 + random.NextBelow(4); i < times && !bytes->empty(); ++i) {
    const std::size_t at = random.NextBelow(static_cast<std::uint32_t>(bytes->size()));
    switch (random.NextBelow(5)) {
      case 0: (*bytes)[at] = static_cast<char>(random.NextU32()); break;
      case 1: bytes->insert(at, 1 + random.NextBelow(9), '\xff'); break;  // a longer, larger number
      case 2: bytes->erase(at, 1 + random.NextBelow(4)); break;
      case 3: bytes->resize(at); break;
      case 4: bytes->insert(at, bytes->substr(at, random.NextBelow(64))); break;
    }
  }
}

template <typename T>
T Extreme(KeyedRandom& random) {
  const T values[] = {0,
                      1,
                      std::numeric_limits<T>::max(),
                      std::numeric_limits<T>::min(),
                      static_cast<T>(std::numeric_limits<T>::max() - 1),
                      static_cast<T>(random.NextU64())};
  return values[random.NextBelow(std::size(values))];
}

std::string HostileText(KeyedRandom& random) {
  const std::string texts[] = {
      "", std::string(100'000, 'x'), "../../etc/passwd", std::string("\0\n\x1b[2J", 6), "{}", "'; rm -rf / #"};
  return texts[random.NextBelow(std::size(texts))];
}

// Sets one field, somewhere in the message, to an extreme value.
void SetExtreme(Message* message, KeyedRandom& random) {
  const Reflection& reflection = *message->GetReflection();
  const auto& descriptor = *message->GetDescriptor();
  if (descriptor.field_count() == 0) return;
  const FieldDescriptor* field =
      descriptor.field(static_cast<int>(random.NextBelow(static_cast<std::uint32_t>(descriptor.field_count()))));
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(*message, &present);
  if (!present.empty() && random.NextBelow(4) > 0)
    field = present[random.NextBelow(static_cast<std::uint32_t>(present.size()))];
  if (field->is_map()) return;
  if (field->is_repeated()) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const int size = reflection.FieldSize(*message, field);
      SetExtreme(size > 0 ? reflection.MutableRepeatedMessage(
                                message, field, static_cast<int>(random.NextBelow(static_cast<std::uint32_t>(size))))
                          : reflection.AddMessage(message, field),
                 random);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
      reflection.AddUInt64(message, field, Extreme<std::uint64_t>(random));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection.AddString(message, field, HostileText(random));
    }
    return;
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: SetExtreme(reflection.MutableMessage(message, field), random); break;
    case FieldDescriptor::CPPTYPE_INT32: reflection.SetInt32(message, field, Extreme<std::int32_t>(random)); break;
    case FieldDescriptor::CPPTYPE_INT64: reflection.SetInt64(message, field, Extreme<std::int64_t>(random)); break;
    case FieldDescriptor::CPPTYPE_UINT32: reflection.SetUInt32(message, field, Extreme<std::uint32_t>(random)); break;
    case FieldDescriptor::CPPTYPE_UINT64: reflection.SetUInt64(message, field, Extreme<std::uint64_t>(random)); break;
    case FieldDescriptor::CPPTYPE_ENUM: reflection.SetEnumValue(message, field, Extreme<std::int32_t>(random)); break;
    case FieldDescriptor::CPPTYPE_BOOL: reflection.SetBool(message, field, random.NextBelow(2) == 0); break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      reflection.SetDouble(message, field, std::numeric_limits<double>::quiet_NaN());
      break;
    case FieldDescriptor::CPPTYPE_FLOAT: reflection.SetFloat(message, field, -0.0f); break;
    case FieldDescriptor::CPPTYPE_STRING: reflection.SetString(message, field, HostileText(random)); break;
  }
}

TEST(ProtocolFuzzTest, NoMessageBreaksTheRecords) {
  google::protobuf::SetLogHandler(nullptr);  // it logs every string that is not UTF-8
  int parsed = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    KeyedRandom random(MixKey({seed, 0xf0}));
    Victim victim;
    for (int i = 0; i < 120; ++i) {
      std::vector<CoordinatorMessage> messages = ValidMessages(victim.state(), random);
      CoordinatorMessage& message = messages[random.NextBelow(static_cast<std::uint32_t>(messages.size()))];
      const std::uint32_t kind = random.NextBelow(3);
      if (kind == 1)
        for (std::uint32_t times = 1 + random.NextBelow(3); times > 0; --times) SetExtreme(&message, random);
      std::string bytes = message.SerializeAsString();
      if (kind == 2) FlipBytes(&bytes, random);
      CoordinatorMessage heard;
      if (!heard.ParseFromString(bytes)) {
        ++refused;
        continue;
      }
      ++parsed;
      victim.Hear(heard);
      ASSERT_EQ(victim.broken(), "") << "seed " << seed << ", after " << heard.ShortDebugString().substr(0, 2000);
    }
  }
  EXPECT_GT(parsed, 3000);
  EXPECT_GT(refused, 200);
}

struct BadSpec {
  const char* what;
  void (*make)(JobSpec*);
};

TEST(ProtocolFuzzTest, ASubmissionWithABadJobIsRefused) {
  const std::vector<BadSpec> cases = {
      {"no name", [](JobSpec* spec) { spec->clear_name(); }},
      {"an endless name", [](JobSpec* spec) { spec->set_name(std::string(1'000'000, 'x')); }},
      {"no stage", [](JobSpec* spec) { spec->clear_stage(); }},
      {"an unknown stage", [](JobSpec* spec) { spec->set_stage(static_cast<v1::Stage>(77)); }},
      {"a negative stage", [](JobSpec* spec) { spec->set_stage(static_cast<v1::Stage>(-1)); }},
      {"no root", [](JobSpec* spec) { spec->clear_artifacts_root(); }},
      {"no digest", [](JobSpec* spec) { spec->clear_digest(); }},
      {"a digest that leaves the root", [](JobSpec* spec) { spec->set_digest("../../../root"); }},
      {"no ranks", [](JobSpec* spec) { spec->set_ranks(0); }},
      {"all ranks there can be", [](JobSpec* spec) { spec->set_ranks(4'294'967'295); }},
      {"ranks of no slots", [](JobSpec* spec) { spec->set_slots_per_rank(0); }},
      {"ranks too large for any host", [](JobSpec* spec) { spec->set_slots_per_rank(4'294'967'295); }},
      {"a product that wraps to something small",
       [](JobSpec* spec) {
         spec->set_ranks(65'536);
         spec->set_slots_per_rank(65'536);
       }},
      {"a negative time limit", [](JobSpec* spec) { spec->set_time_limit_ms(-1); }},
      {"the time before time",
       [](JobSpec* spec) { spec->set_time_limit_ms(std::numeric_limits<std::int64_t>::min()); }},
      {"itself", [](JobSpec* spec) { spec->add_depends_on(1); }},
      {"a job to come", [](JobSpec* spec) { spec->add_depends_on(2); }},
      {"nobody", [](JobSpec* spec) { spec->add_depends_on(0); }},
      {"a job far out", [](JobSpec* spec) { spec->add_depends_on(std::numeric_limits<std::uint64_t>::max()); }},
  };
  const Victim victim;
  const JobDecisions decisions({});
  for (const BadSpec& bad : cases) {
    Submit submit = ValidSubmit("key");
    bad.make(submit.mutable_jobs(0));
    EXPECT_THAT(decisions.Submit(victim.state(), submit, "alice", kNow).status(), StatusIs(Code::kInvalidArgument))
        << bad.what;
  }
}

TEST(ProtocolFuzzTest, ASubmissionOfAMillionJobsIsRefused) {
  const Victim victim;
  Submit submit;
  submit.set_key("key");
  submit.set_name("flood");
  const JobSpec spec = ValidSpec("d");
  for (int i = 0; i < 1'000'000; ++i) *submit.add_jobs() = spec;
  EXPECT_THAT(JobDecisions({}).Submit(victim.state(), submit, "alice", kNow).status(),
              StatusIs(Code::kInvalidArgument));
}

TEST(ProtocolFuzzTest, ASubmissionWithABadKeyOrNameIsRefused) {
  const Victim victim;
  for (auto make : std::vector<void (*)(Submit*)>{[](Submit* submit) { submit->clear_key(); },
                                                  [](Submit* submit) { submit->set_key(std::string(100'000, 'k')); },
                                                  [](Submit* submit) { submit->clear_name(); },
                                                  [](Submit* submit) { submit->clear_jobs(); }}) {
    Submit submit = ValidSubmit("key");
    make(&submit);
    EXPECT_THAT(JobDecisions({}).Submit(victim.state(), submit, "alice", kNow).status(),
                StatusIs(Code::kInvalidArgument));
  }
}

// A number near the end of its range must not wrap to an early time.
TEST(ProtocolFuzzTest, TheLongestTimesAndHighestPrioritiesDoNotWrap) {
  Victim victim;
  for (const std::int32_t priority :
       {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
    CoordinatorMessage message;
    Submit& submit = *message.mutable_client()->mutable_submit();
    submit = ValidSubmit("p" + std::to_string(priority));
    for (JobSpec& spec : *submit.mutable_jobs()) {
      spec.set_priority(priority);
      spec.set_ranks(24);
      spec.set_time_limit_ms(std::numeric_limits<std::int64_t>::max());
      spec.clear_depends_on();
    }
    victim.Hear(message);
  }
  EXPECT_EQ(victim.broken(), "");
  const auto waits = JobDecisions({}).Waits(victim.state(), kNow + 1000);
  EXPECT_FALSE(waits.empty());
  for (const auto& [id, wait] : waits) {
    EXPECT_TRUE(wait.predicted_start_ms == 0 || wait.predicted_start_ms >= kNow)
        << "job " << id << " at " << wait.predicted_start_ms;
  }
}

}  // namespace
}  // namespace still::coordinator
