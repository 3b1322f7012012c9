#include "cli/job_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "cli/table.h"
#include "cli/text.h"
#include "common/counted_text.h"
#include "common/duration_text.h"
#include "common/enum_words.h"

namespace still::cli {
namespace {

// Returns the finite values in the order of their names: the order of a protobuf map is not defined.
std::map<std::string, double> Sorted(const google::protobuf::Map<std::string, double>& values) {
  std::map<std::string, double> sorted;
  for (const auto& [name, value] : values) {
    if (std::isfinite(value)) sorted[name] = value;
  }
  return sorted;
}

// Returns "2026-11-22 13:05:00 UTC, 3 min ago", or "" for a time of 0.
std::string MomentText(UnixMs at, UnixMs now) {
  return at == 0 ? "" : fmt::format("{} UTC, {}", DateText(at), RelativeText(at, now));
}

std::string RecoveriesText(const v1::JobView& job, const std::string& when) {
  if (job.recoveries() == 0) return "";
  return fmt::format("{} recover{}, the last one {} ({}): {}", job.recoveries(), job.recoveries() == 1 ? "y" : "ies",
                     when, EnumWord(job.last_recovery().cause()), job.last_recovery().message());
}

// Returns "SLOTS: needs 2 slots". A reason without a code gets the state of the job in its place.
std::string CodedText(const v1::JobView& job, const v1::ReasonView& reason) {
  const bool coded = reason.code() != v1::WAIT_REASON_UNSPECIFIED;
  return fmt::format("{}: {}", coded ? EnumWord(reason.code()) : EnumWord(job.state()), reason.text());
}

// Returns the command that attaches the job's ranks, on a line of its own for copying.
std::string AttachText(const v1::JobView& job) {
  return job.attach_command().empty() ? "" : fmt::format("\n{}\n", Escaped(job.attach_command()));
}

}  // namespace

std::string HostsText(const v1::JobView& job) {
  std::string text;
  for (const v1::HostShare& share : job.placement())
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", share.host(), share.ranks());
  return text;
}

std::string StateText(const v1::JobView& job) {
  std::string text = EnumWord(job.state());
  for (const int flag : job.flags()) text += ", " + EnumWord(static_cast<v1::JobFlag>(flag));
  return text;
}

std::string ProgressText(const v1::JobView& job) {
  if (!job.has_progress()) return "";
  const v1::ProgressView& progress = job.progress();
  std::string text = CountText(progress.done(), progress.total(), progress.unit());
  if (progress.total() > 0) text += fmt::format(", {:.0f} %", 100 * ShareOf(progress.done(), progress.total()));
  return text;
}

std::string RateText(const v1::JobView& job) {
  if (!job.has_progress() || !(job.progress().tokens_per_second() >= 1)) return "";
  return WithThousands(static_cast<std::uint64_t>(job.progress().tokens_per_second()));
}

std::string LeftText(const v1::JobView& job) {
  if (!job.has_progress() || !(job.progress().seconds_left() > 0)) return "";
  return SecondsText(job.progress().seconds_left());
}

std::string ReasonText(const v1::JobView& job) {
  if (!job.reason().empty() || job.state() != v1::JOB_STARTING) return job.reason();
  return fmt::format("its ranks are being launched{}{}{}", job.cause() == v1::CAUSE_PROCESS_DEATH ? " again" : "",
                     job.message().empty() ? "" : ": ", job.message());
}

std::string StorageText(const v1::View& view) {
  if (view.storage_trouble().empty()) return "";
  return fmt::format("the coordinator starts nothing new, because its disk is in trouble: {}\n",
                     Escaped(view.storage_trouble()));
}

std::string GoodputText(const v1::JobView& job) {
  std::vector<std::pair<double, std::string>> shares;
  double total = 0;
  for (const v1::GoodputTime& time : job.goodput()) total += time.seconds();
  if (!(total > 0)) return "";
  for (const v1::GoodputTime& time : job.goodput()) {
    if (time.seconds() / total >= 0.0005) shares.emplace_back(time.seconds() / total, EnumWord(time.kind()));
  }
  std::ranges::stable_sort(shares, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [share, name] : shares)
    text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", name, 100 * share);
  return text;
}

std::string PhasesText(const v1::JobView& job) {
  std::vector<std::pair<std::string, int>> phases;
  for (const v1::RankState& rank : job.members()) {
    auto at = std::ranges::find(phases, EnumWord(rank.phase()), &std::pair<std::string, int>::first);
    if (at == phases.end()) at = phases.insert(at, {EnumWord(rank.phase()), 0});
    ++at->second;
  }
  std::string text;
  for (const auto& [phase, ranks] : phases) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", phase, ranks);
  return text;
}

std::string QueueText(const v1::View& view, std::size_t columns) {
  if (view.jobs().empty())
    return StorageText(view) +
           "no jobs; `still submit PIPELINE.yaml` adds some, and `still history` lists the ended ones\n";
  Table table({{"ID", Align::kRight},
               {"NAME", Align::kLeft, kCutBeginning},
               {"OWNER", Align::kLeft, kSpare + 5},
               {"STATE"},
               {"FOR", Align::kRight, kSpare + 1},
               {"PRIORITY", Align::kRight, kSpare + 7},
               {"RANKS", Align::kRight, kSpare + 3},
               {"PROGRESS"},
               {"TOKENS/S", Align::kRight, kSpare + 4},
               {"LEFT", Align::kRight, kSpare},
               {"POSITION", Align::kRight, kSpare + 6},
               {"START", Align::kLeft, kSpare + 2},
               {"REASON", Align::kLeft, kCutEnd}});
  for (const v1::JobView& job : view.jobs()) {
    const std::string reason = ReasonText(job);
    table.Add(
        {fmt::to_string(job.id()), job.name(), job.owner(), StateText(job),
         job.since_ms() == 0 ? "" : DurationText(view.now_ms() - job.since_ms()),
         job.priority() == 0 ? "" : fmt::to_string(job.priority()), job.ranks() == 0 ? "" : fmt::to_string(job.ranks()),
         ProgressText(job), RateText(job), LeftText(job), job.position() == 0 ? "" : fmt::to_string(job.position()),
         RelativeText(job.predicted_start_ms(), view.now_ms()),
         reason.empty() ? RecoveriesText(job, RelativeText(job.last_recovery().at_ms(), view.now_ms())) : reason});
  }
  return StorageText(view) + table.Text(columns);
}

std::string HistoryText(const v1::View& view, std::size_t columns) {
  if (view.jobs().empty()) return "no job has ended yet\n";
  Table table({{"ID", Align::kRight},
               {"NAME", Align::kLeft, kCutBeginning},
               {"OWNER", Align::kLeft, kSpare + 1},
               {"STATE"},
               {"CAUSE"},
               {"ENDED"},
               {"RAN FOR", Align::kRight, kSpare},
               {"ATTEMPTS", Align::kRight, kSpare + 2},
               {"MESSAGE", Align::kLeft, kCutEnd}});
  for (const v1::JobView& job : view.jobs()) {
    const bool ran = job.started_ms() != 0 && job.ended_ms() >= job.started_ms();
    table.Add({fmt::to_string(job.id()), job.name(), job.owner(), EnumWord(job.state()), EnumWord(job.cause()),
               RelativeText(job.ended_ms(), view.now_ms()), ran ? DurationText(job.ended_ms() - job.started_ms()) : "",
               job.attempt() == 0 ? "" : fmt::to_string(job.attempt()), job.message()});
  }
  return table.Text(columns);
}

std::string NodesText(const v1::View& view, std::size_t columns) {
  if (view.hosts().empty()) return "no hosts; give `still serve` a hostfile, or slots on this machine\n";
  Table table({{"HOST"},
               {"STATE"},
               {"SLOTS", Align::kRight},
               {"FREE", Align::kRight},
               {"FAILURES", Align::kRight},
               {"JOBS", Align::kLeft, kCutEnd},
               {"REASON", Align::kLeft, kCutEnd}});
  for (const v1::HostView& host : view.hosts()) {
    table.Add({host.name(), EnumWord(host.state()), fmt::to_string(host.slots()), fmt::to_string(host.free()),
               host.failures() == 0 ? "" : fmt::to_string(host.failures()),
               fmt::format("{}", fmt::join(host.job_ids(), " ")), host.reason()});
  }
  return table.Text(columns);
}

std::string EventsText(const google::protobuf::RepeatedPtrField<v1::EventView>& events) {
  std::string text;
  for (const v1::EventView& event : events) {
    const std::string subject = event.job_id() != 0    ? fmt::format("job {} {}", event.job_id(), event.name())
                                : event.host().empty() ? "coordinator"
                                                       : "host " + event.host();
    const std::string change = event.to() == v1::JOB_STATE_UNSPECIFIED ? ""
                               : event.from() == v1::JOB_STATE_UNSPECIFIED
                                   ? " " + EnumWord(event.to())
                                   : fmt::format(" {} -> {}", EnumWord(event.from()), EnumWord(event.to()));
    text +=
        Escaped(fmt::format("{} {}{}{}{}{}", DateText(event.at_ms()), subject, change,
                            event.cause() == v1::CAUSE_UNSPECIFIED ? "" : fmt::format(" ({})", EnumWord(event.cause())),
                            event.actor().empty() ? "" : fmt::format(" by {}", event.actor()),
                            event.message().empty() ? "" : fmt::format(": {}", event.message()))) +
        "\n";
  }
  return text;
}

std::string WhyText(const v1::View& view) {
  const v1::JobView& job = view.job();
  const auto& reasons = view.reasons().empty() ? job.reasons() : view.reasons();
  std::string text = Escaped(fmt::format("job {} {} is {}", job.id(), job.name(), StateText(job))) + "\n";
  if (job.position() != 0) text += fmt::format("  position in the queue: {}\n", job.position());
  if (job.predicted_start_ms() != 0) {
    text += fmt::format("  predicted start: {}\n", MomentText(job.predicted_start_ms(), view.now_ms()));
  } else if (job.position() != 0) {
    text += "  predicted start: not known\n";
  }
  if (job.eligible_ms() > view.now_ms())
    text += fmt::format("  not before: {}\n", MomentText(job.eligible_ms(), view.now_ms()));
  for (const v1::ReasonView& reason : reasons) text += fmt::format("  {}\n", Escaped(CodedText(job, reason)));
  if (reasons.empty() && !ReasonText(job).empty()) text += fmt::format("  {}\n", Escaped(ReasonText(job)));
  if (job.ended() && job.cause() != v1::CAUSE_UNSPECIFIED)
    text += fmt::format("  {}{}\n", Escaped(EnumWord(job.cause())),
                        job.message().empty() ? "" : ": " + Escaped(job.message()));
  return text + AttachText(job);
}

namespace {

// Returns a line "label   text" per fact that has a text.
std::string Facts(const std::vector<std::pair<std::string_view, std::string>>& facts) {
  std::string text;
  for (const auto& [label, fact] : facts) {
    if (!fact.empty()) text += fmt::format("  {:<14}{}\n", label, Escaped(fact));
  }
  return text;
}

std::string PlacementText(const v1::JobView& job) {
  if (job.ranks() == 0) return "";
  std::string text = fmt::format("{} of {}", Counted(job.ranks(), "rank"), Counted(job.slots_per_rank(), "slot"));
  return job.placement().empty() ? text : text + " on " + HostsText(job);
}

std::string RunText(const v1::JobView& job) {
  std::string text = ProgressText(job);
  if (!RateText(job).empty()) text += fmt::format(", {} tokens/s", RateText(job));
  if (!LeftText(job).empty()) text += fmt::format(", {} left", LeftText(job));
  for (const auto& [name, value] : Sorted(job.values())) text += fmt::format(", {} {:.4g}", name, value);
  return text;
}

std::string AttemptsText(const v1::JobView& job) {
  if (job.attempt() == 0) return "";
  const std::string text = fmt::format("{}, generation {}", job.attempt(), job.generation());
  if (job.failures() == 0) return text;
  return fmt::format("{}; deaths in a row: {} (a new step starts the count again)", text, job.failures());
}

std::string RanksText(const v1::JobView& job) {
  if (job.members().empty()) return "";
  Table table({{"RANK", Align::kRight},
               {"HOST"},
               {"PID", Align::kRight},
               {"PHASE"},
               {"STEP", Align::kRight},
               {"FOR", Align::kRight},
               {""}});
  for (const v1::RankState& rank : job.members())
    table.Add({fmt::to_string(rank.rank()), rank.host(), rank.pid() == 0 ? "" : fmt::to_string(rank.pid()),
               EnumWord(rank.phase()), WithThousands(rank.step()), SecondsText(rank.phase_seconds()),
               rank.straggling() ? "straggles" : ""});
  return "\n" + table.Text();
}

}  // namespace

std::string ShowText(const v1::View& view) {
  const v1::JobView& job = view.job();
  const UnixMs now = view.now_ms();
  std::string text = Escaped(fmt::format("job {} {} is {}", job.id(), job.name(), StateText(job))) + "\n";
  const std::string cause =
      job.message().empty() ? EnumWord(job.cause()) : fmt::format("{}: {}", EnumWord(job.cause()), job.message());
  text += Facts({{"cause", cause},
                 {"reason", job.reasons().empty() ? ReasonText(job) : ""},
                 {"position", job.position() == 0 ? "" : fmt::to_string(job.position())},
                 {"start", job.predicted_start_ms() == 0 ? "" : MomentText(job.predicted_start_ms(), now)},
                 {"progress", RunText(job)},
                 {"goodput", GoodputText(job)},
                 {"storage", job.storage_trouble()},
                 {"placement", PlacementText(job)},
                 {"attempt", AttemptsText(job)},
                 {"recoveries", RecoveriesText(job, MomentText(job.last_recovery().at_ms(), now))},
                 {"pipeline", job.pipeline() == 0 ? "" : fmt::to_string(job.pipeline())},
                 {"depends on", fmt::format("{}", fmt::join(job.depends_on(), ", "))},
                 {"owner", job.owner()},
                 {"priority", fmt::to_string(job.priority())},
                 {"submitted", MomentText(job.submitted_ms(), now)},
                 {"started", MomentText(job.started_ms(), now)},
                 {"ended", MomentText(job.ended_ms(), now)},
                 {"time limit", job.time_limit_ms() == 0 ? "" : DurationText(job.time_limit_ms())},
                 {"artifact", job.artifact()},
                 {"log", job.log_path()}});
  for (const v1::ReasonView& reason : job.reasons()) text += Facts({{"waits", CodedText(job, reason)}});
  text += AttachText(job);
  text += RanksText(job);
  if (!job.events().empty()) text += "\n" + EventsText(job.events());
  return text;
}

}  // namespace still::cli
