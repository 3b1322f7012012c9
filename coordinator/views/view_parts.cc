#include "coordinator/views/view_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "common/duration_text.h"
#include "common/enum_words.h"
#include "coordinator/jobs/queue.h"
#include "coordinator/views/reason_text.h"
#include "coordinator/views/recovery_messages.h"
#include "coordinator/views/views.h"

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

void FillProgress(const LiveJob& live, bool running, v1::ProgressView* to) {
  const v1::Progress& progress = *live.progress;
  to->set_done(progress.done());
  to->set_total(progress.total());
  to->set_unit(progress.unit());
  to->set_tokens(progress.tokens());
  if (!running) return;
  to->set_tokens_per_second(live.tokens_per_second.value_or(0));
  const double left = static_cast<double>(progress.total()) - static_cast<double>(progress.done());
  const double rate = live.units_per_second.value_or(0);
  if (rate > 0 && left >= 0) to->set_seconds_left(left / rate);
}

void AddRanks(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  const LiveJob* const live = from.live.Find(job.id());
  if (live == nullptr || live->attempt != job.attempt() || !HoldsSlots(job.state())) return;
  const auto stragglers = Stragglers(live->ranks);
  // The inventory may call a host "localhost", and its ranks report the machine's own name.
  const bool one_host = job.placement_size() == 1;
  for (const v1::RankPhase& rank : live->ranks) {
    v1::RankView* const member = to->add_members();
    member->set_rank(rank.rank());
    member->set_host(one_host ? job.placement(0).host() : rank.host());
    member->set_pid(rank.pid());
    member->set_phase(rank.phase());
    member->set_step(rank.step());
    member->set_phase_seconds(rank.phase_seconds());
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
  to->set_cause(job.cause());
  to->set_message(MessageOf(job));
  to->set_ranks(RanksOf(job));
  for (const v1::RanksOnHost& share : job.placement()) {
    v1::HostShare* const added = to->add_placement();
    added->set_host(share.host());
    added->set_ranks(share.ranks());
  }
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

std::string HostReason(const v1::Host& host, v1::HostState state, UnixMs now) {
  if (state != v1::HOST_STATE_BLACKLISTED) return host.drained() ? host.drain_reason() : "";
  return fmt::format("lost {} times in a row; tried again in {}", host.failures(),
                     DurationText(host.blacklisted_until_ms() - now));
}

}  // namespace

void FillJob(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  FillSpec(job.spec(), to);
  FillRecord(job, to);
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
  FillProgress(*live, HoldsSlots(job.state()) && live->attempt == job.attempt(), to->mutable_progress());
  *to->mutable_values() = live->progress->values();
}

void FillMembers(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  AddRanks(from, job, to);
  const Goodput goodput = from.live.GoodputOf(job, from.now_ms);
  for (int kind = 1; kind < v1::GoodputKind_ARRAYSIZE; ++kind)
    (*to->mutable_goodput())[EnumWord(static_cast<v1::GoodputKind>(kind))] = goodput[static_cast<std::size_t>(kind)];
}

void FillDetails(const PartSources& from, const v1::Job& job, v1::JobView* to) {
  const v1::JobSpec& spec = job.spec();
  to->set_artifact(ArtifactPath(spec));
  to->set_artifacts_root(spec.artifacts_root());
  to->set_kind(spec.kind());
  to->set_digest(spec.digest());
  to->set_log_path(job.log_path());
  *to->mutable_depends_on() = spec.depends_on();
  AddReasons(from, job, to->mutable_reasons());
  const LiveJob* const live = from.live.Find(job.id());
  if (live == nullptr) return;
  to->set_storage_trouble(live->storage_trouble);
  AddCurve(*live, to);
}

void AddReasons(const PartSources& from, const v1::Job& job, google::protobuf::RepeatedPtrField<v1::ReasonView>* to) {
  const auto add = [&](const std::string& code, const std::string& text) {
    v1::ReasonView* const reason = to->Add();
    reason->set_code(code);
    reason->set_text(text);
  };
  if (const Wait* const wait = WaitOf(from, job)) {
    for (const Reason& reason : wait->reasons) add(EnumWord(reason.code), reason.text);
  }
  const std::string line = ReasonLine(job, from.live, from.waits, from.now_ms);
  if (to->empty() && !line.empty()) add(EnumWord(job.state()), line);
}

void AddHosts(const PartSources& from, v1::View* to) {
  const auto in_use = SlotsInUse(from.state);
  std::map<std::string, std::vector<std::uint64_t>> jobs;
  for (const std::uint64_t id : from.state.live()) {
    const v1::Job* const job = from.state.FindJob(id);
    if (job == nullptr || !HoldsSlots(job->state())) continue;
    for (const v1::RanksOnHost& share : job->placement()) jobs[share.host()].push_back(id);
  }
  for (const auto& [name, host] : from.state.hosts()) {
    const auto used = in_use.find(name);
    v1::HostView* const added = to->add_hosts();
    added->set_name(name);
    added->set_slots(host.slots());
    added->set_free(host.slots() - std::min(host.slots(), used == in_use.end() ? 0 : used->second));
    added->set_state(HostStateOf(host, from.now_ms));
    added->set_reason(HostReason(host, added->state(), from.now_ms));
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
