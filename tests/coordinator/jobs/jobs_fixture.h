// Decisions, a state and a clock that the test sets. Each call decides and applies, as the coordinator does.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "coordinator/jobs/decisions.h"
#include "tests/testing/status_matchers.h"

namespace still::coordinator {

class DecisionsFixture : public ::testing::Test {
 protected:
  // Starts with one host "a" of four slots.
  void SetUp() override { SetHosts({{"a", 4}}); }

  void SetHosts(const std::vector<std::pair<std::string, std::uint32_t>>& hosts) {
    std::vector<v1::Host> messages;
    for (const auto& [name, slots] : hosts) {
      messages.emplace_back().set_name(name);
      messages.back().set_slots(slots);
    }
    Apply(decisions_.SetHosts(state_, messages, now_));
  }

  static v1::JobSpec Spec(const std::string& name, std::uint32_t ranks = 2,
                          const std::vector<std::uint64_t>& depends_on = {}) {
    v1::JobSpec spec;
    spec.set_name(name);
    spec.set_stage(v1::STAGE_TRAIN);
    spec.set_artifacts_root("/artifacts");
    spec.set_digest("digest-of-" + name);
    spec.set_ranks(ranks);
    spec.set_slots_per_rank(1);
    spec.set_retries(2);
    spec.set_preemptible(true);
    for (const std::uint64_t dependency : depends_on) spec.add_depends_on(dependency);
    return spec;
  }

  Result<ChangeOutcome> TrySubmit(const std::vector<v1::JobSpec>& specs, const std::string& key = "") {
    v1::Submit submit;
    submit.set_key(key.empty() ? fmt::format("key-{}", ++keys_) : key);
    submit.set_name("pipeline");
    for (const auto& spec : specs) *submit.add_jobs() = spec;
    return decisions_.Submit(state_, submit, "alice", now_);
  }
  // Returns the id of the first job.
  std::uint64_t Submit(const std::vector<v1::JobSpec>& specs) {
    const Result<ChangeOutcome> outcome = TrySubmit(specs);
    EXPECT_OK(outcome.status());
    Apply(outcome->changes);
    Advance();
    return outcome->jobs.front();
  }

  Status Change(v1::JobVerb verb, std::uint64_t job) {
    v1::ChangeJobs change;
    change.set_verb(verb);
    change.add_jobs(job);
    const Result<ChangeOutcome> outcome = decisions_.ChangeJobs(state_, change, "bob", now_);
    STILL_RETURN_IF_ERROR(outcome.status());
    Apply(outcome->changes);
    Advance();
    return Ok();
  }

  v1::AgentReport Report(std::uint64_t id, std::uint64_t generation = 1, bool running = true) const {
    v1::AgentReport report;
    report.set_job(id);
    report.set_attempt(Job(id).attempt());
    report.set_generation(generation);
    report.set_running(running);
    return report;
  }
  void OnReport(const v1::AgentReport& report) {
    Apply(decisions_.OnReport(state_, report, now_));
    Advance();
  }
  void Run(std::uint64_t id) { OnReport(Report(id)); }
  std::uint64_t RunWithALimitOfAMinute() {
    v1::JobSpec spec = Spec("one");
    spec.set_time_limit_ms(60'000);
    const std::uint64_t job = Submit({spec});
    Run(job);
    return job;
  }
  void End(std::uint64_t id, Code code, std::uint64_t step = 0, const std::string& lost_host = "") {
    v1::AgentReport report = Report(id, Job(id).generation());
    report.mutable_outcome()->set_code(CodeOnWire(code));
    report.mutable_outcome()->set_message("as it ended");
    report.mutable_outcome()->set_step(step);
    report.mutable_outcome()->set_lost_host(lost_host);
    if (code == Code::kOk) made_.insert(Job(id).spec().digest());
    OnReport(report);
  }

  void Advance() {
    for (int i = 0; i < 64; ++i) {
      const Changes changes = decisions_.Advance(
          state_, [&](const v1::JobSpec& spec) { return made_.contains(spec.digest()); }, now_);
      if (changes.empty()) return;
      Apply(changes);
    }
    ADD_FAILURE() << "decisions do not come to rest";
  }
  void Later(std::int64_t ms) {
    now_ += ms;
    Advance();
  }

  void Apply(const Changes& changes) {
    for (const auto& event : changes.events) history_.push_back(event);
    state_.Apply(changes);
    EXPECT_EQ(BrokenInvariant(state_), "");
  }

  const v1::Job& Job(std::uint64_t id) const { return *state_.FindJob(id); }
  std::string StateOf(std::uint64_t id) const { return EnumWord(Job(id).state()); }
  std::string CauseOf(std::uint64_t id) const { return EnumWord(Job(id).cause()); }
  std::vector<std::string> ReasonsOf(std::uint64_t id) const {
    std::vector<std::string> codes;
    const std::map<std::uint64_t, Wait> waits = decisions_.Waits(state_, now_);
    for (const Reason& reason : waits.at(id).reasons) codes.push_back(EnumWord(reason.code));
    return codes;
  }
  v1::AgentOrders Orders(std::uint64_t id) const { return JobDecisions::OrdersFor(&Job(id), Report(id)); }

  JobDecisions decisions_{DecisionOptions{}};
  State state_;
  UnixMs now_ = 1'700'000'000'000;
  std::set<std::string> made_;  // digests of artifacts that exist
  std::vector<v1::HistoryEvent> history_;
  int keys_ = 0;
};

}  // namespace still::coordinator
