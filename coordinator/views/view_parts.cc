#include "coordinator/views/view_parts.h"

#include <algorithm>
#include <string>

#include "common/enum_words.h"
#include "common/stage_facts.h"
#include "coordinator/jobs/decisions.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/views/goodput.h"
#include "coordinator/views/reason_text.h"
#include "coordinator/views/recovery_messages.h"
#include "coordinator/views/stragglers.h"

namespace still::coordinator {
namespace {

// Returns the scheduler's word on a job that waits, or null.
const Wait* WaitOf(const PartSources& from, const v1::Job& job) {
  const auto wait = from.waits.find(job.id());
  return wait != from.waits.end() && IsQueued(job.state()) ? &wait->second : nullptr;
}

void FillRecovery(const v1::JobRecovery& recovery, v1::RecoveryView* to) {
  to->set_at_ms(recovery.at_ms());
  to->set_cause(recovery.cause());
  to->set_message(MessageOf(recovery));
}

void FillProgress(const LiveJobs& jobs, const v1::Job& job, const v1::Progress& progress, v1::ProgressView* to) {
  to->set_done(progress.done());
  to->set_total(progress.total());
  to->set_unit(progress.unit());
  to->set_tokens(progress.tokens());
  const LiveJob* const live = jobs.FindRunning(job);
  if (live == nullptr) return;
  to->set_tokens_per_second(live->tokens_per_second.value_or(0));
  if (const auto left_ms = jobs.LeftMs(job.id())) to->set_seconds_left(static_cast<double>(*left_ms) / 1000.0);
}

void AddRanks(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  const LiveJob* const live = from.live.FindRunning(job);
  if (live == nullptr) return;
  const auto stragglers = Stragglers(live->ranks);
  // The inventory may call a host "localhost", and its ranks report the machine's own name.
  const bool one_host = job.placement_size() == 1;
  for (const v1::RankState& rank : live->ranks) {
    v1::RankState* const member = to->add_members();
    *member = rank;
    if (one_host) member->set_host(job.placement(0).host());
    member->set_goodput_kind(FactsOf(rank.phase()).goodput);
    member->set_straggling(std::ranges::find(stragglers, rank.rank()) != stragglers.end());
  }
}

void AddCurve(const LiveJob& live, v1::JobView* to) {
  for (const Curve::Point& point : live.curve.points()) {
    v1::CurvePoint* const added = to->add_curve();
    added->set_step(point.step);
    if (point.loss) added->set_loss(*point.loss);
    if (point.tokens_per_second) added->set_tokens_per_second(*point.tokens_per_second);
  }
}

void FillSpec(const v1::JobSpec& spec, v1::JobView* to) {
  to->set_name(spec.name());
  to->set_owner(spec.owner());
  to->set_stage(spec.stage());
  to->set_priority(spec.priority());
  to->set_slots_per_rank(spec.slots_per_rank());
  to->set_time_limit_ms(spec.time_limit_ms());
}

void FillRecord(const v1::Job& job, v1::JobView* to) {
  to->set_id(job.id());
  to->set_pipeline(job.pipeline());
  to->set_state(job.state());
  to->set_has_slots(HoldsSlots(job.state()));
  to->set_ended(IsTerminal(job.state()));
  to->set_cause(job.cause());
  to->set_message(MessageOf(job));
  to->set_ranks(RanksOf(job));
  *to->mutable_placement() = job.placement();
  to->set_attempt(job.attempt());
  to->set_generation(job.generation());
  to->set_failures(job.failures());
  to->set_recoveries(job.recoveries());
  FillRecovery(job.last_recovery(), to->mutable_last_recovery());
  to->set_submitted_ms(job.submitted_ms());
  to->set_since_ms(job.since_ms());
  to->set_started_ms(job.started_ms());
  to->set_ended_ms(job.ended_ms());
  to->set_eligible_ms(job.eligible_ms());
}

}  // namespace

void FillJob(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  FillSpec(job.spec(), to);
  FillRecord(job, to);
  const auto pipeline = from.state.pipelines().find(job.pipeline());
  if (pipeline != from.state.pipelines().end()) to->set_pipeline_name(pipeline->second.name());
  for (const v1::JobFlag flag : from.live.FlagsOf(job, from.now_ms)) to->add_flags(flag);
  to->set_reason(ReasonLine(job, from.live, from.waits, from.now_ms));
  if (const Wait* const wait = WaitOf(from, job)) {
    to->set_position(wait->position);
    if (wait->unlimited == 0) to->set_predicted_start_ms(wait->predicted_start_ms);
  }
  const LiveJob* const live = from.live.Find(job.id());
  if (live == nullptr) return;
  to->set_generation(std::max(job.generation(), live->generation));
  if (!live->progress) return;
  FillProgress(from.live, job, *live->progress, to->mutable_progress());
  *to->mutable_values() = live->progress->values();
}

void FillMembers(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  AddRanks(from, job, to);
  for (const auto& [kind, seconds] : GoodputOf(job, from.live.Find(job.id()), from.now_ms)) {
    v1::GoodputTime* const time = to->add_goodput();
    time->set_kind(kind);
    time->set_seconds(seconds);
  }
}

void FillDetails(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  const v1::JobSpec& spec = job.spec();
  to->set_artifact(ArtifactPath(spec));
  to->set_artifacts_root(spec.artifacts_root());
  to->set_kind(ArtifactKind(spec.stage()));
  to->set_digest(spec.digest());
  to->set_log_path(job.log_path());
  *to->mutable_depends_on() = spec.depends_on();
  AddReasons(from, job, to->mutable_reasons());
  for (const v1::JobVerb verb : VerbsFor(from.state, job.id(), from.now_ms)) to->add_verbs(verb);
  const LiveJob* const live = from.live.Find(job.id());
  if (live == nullptr) return;
  to->set_storage_trouble(live->storage_trouble);
  AddCurve(*live, to);
}

void AddReasons(const PartSources& from, const v1::Job& job, google::protobuf::RepeatedPtrField<v1::ReasonView>* to) {
  const auto add = [&](v1::WaitReason code, const std::string& text) {
    v1::ReasonView* const reason = to->Add();
    reason->set_code(code);
    reason->set_text(text);
  };
  if (const Wait* const wait = WaitOf(from, job)) {
    for (const Reason& reason : wait->reasons) add(reason.code, reason.text);
  }
  const std::string line = ReasonLine(job, from.live, from.waits, from.now_ms);
  if (to->empty() && !line.empty()) add(v1::WAIT_REASON_UNSPECIFIED, line);
}

void AddHosts(const PartSources& from, v1::View* to) {
  std::map<std::string, std::uint64_t> used = UsedSlots(from.state);
  std::map<std::string, std::vector<std::uint64_t>> jobs;
  for (const std::uint64_t id : from.state.live()) {
    const v1::Job* const job = from.state.FindJob(id);
    if (job == nullptr || !HoldsSlots(job->state())) continue;
    for (const v1::HostShare& share : job->placement()) jobs[share.host()].push_back(id);
  }
  for (const auto& [name, host] : from.state.hosts()) {
    v1::HostView* const added = to->add_hosts();
    added->set_name(name);
    added->set_slots(host.slots());
    added->set_free(host.slots() - static_cast<std::uint32_t>(std::min<std::uint64_t>(host.slots(), used[name])));
    added->set_state(HostStateOf(host, from.now_ms));
    added->set_reason(ClosedReason(host, from.now_ms));
    added->mutable_job_ids()->Add(jobs[name].begin(), jobs[name].end());
    added->set_failures(host.failures());
  }
}

void FillEvent(const State& state, const v1::HistoryEvent& event, v1::EventView* to) {
  const v1::Job* const job = state.FindJob(event.job());
  to->set_sequence(event.sequence());
  to->set_at_ms(event.at_ms());
  to->set_job_id(event.job());
  if (job != nullptr) to->set_name(job->spec().name());
  to->set_host(event.host());
  to->set_from(event.from());
  to->set_to(event.to());
  to->set_cause(event.cause());
  to->set_actor(event.actor());
  to->set_message(MessageOf(event));
}

}  // namespace still::coordinator
