#include "cli/view_rows.h"

#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

namespace still::cli {
namespace {

using nlohmann::json;

void Read(const json& from, bool* to) {
  if (from.is_boolean()) *to = from.get<bool>();
}
void Read(const json& from, std::string* to) {
  if (from.is_string()) *to = from.get<std::string>();
}
// Whole numbers, and others that fit: a conversion of one that does not would be undefined.
template <typename T>
requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) void Read(const json& from, T* to) {
  if (!from.is_number()) return;
  if constexpr (std::is_floating_point_v<T>) {
    *to = from.get<T>();
  } else if (from.is_number_unsigned()) {
    if (std::in_range<T>(from.get<std::uint64_t>())) *to = static_cast<T>(from.get<std::uint64_t>());
  } else if (from.is_number_integer()) {
    if (std::in_range<T>(from.get<std::int64_t>())) *to = static_cast<T>(from.get<std::int64_t>());
  } else if (const double value = from.get<double>(); value >= 0 && value < 0x1p31) {
    *to = static_cast<T>(value);
  }
}

void Read(const json& from, ReasonRow* to);
void Read(const json& from, RankRow* to);
void Read(const json& from, EventRow* to);
void Read(const json& from, JobRow* to);
void Read(const json& from, HostRow* to);
void Read(const json& from, ProgressRow* to);
void Read(const json& from, RecoveryRow* to);

template <typename T>
void Read(const json& from, std::vector<T>* to) {
  if (!from.is_array()) return;
  for (const json& element : from) Read(element, &to->emplace_back());
}
void Read(const json& from, std::map<std::string, double>* to) {
  if (!from.is_object()) return;
  for (const auto& [name, value] : from.items()) {
    if (value.is_number()) to->emplace(name, value.get<double>());
  }
}

// The member `key` of an object, when it is there.
template <typename T>
void Get(const json& from, const char* key, T* to) {
  if (!from.is_object()) return;
  if (const auto at = from.find(key); at != from.end()) Read(*at, to);
}

void Read(const json& from, ReasonRow* to) {
  Get(from, "code", &to->code);
  Get(from, "text", &to->text);
}

void Read(const json& from, RankRow* to) {
  Get(from, "rank", &to->rank);
  Get(from, "host", &to->host);
  Get(from, "pid", &to->pid);
  Get(from, "phase", &to->phase);
  Get(from, "step", &to->step);
  Get(from, "phase_seconds", &to->phase_seconds);
  Get(from, "straggling", &to->straggling);
}

void Read(const json& from, EventRow* to) {
  Get(from, "sequence", &to->sequence);
  Get(from, "at_ms", &to->at_ms);
  Get(from, "job", &to->job);
  Get(from, "name", &to->name);
  Get(from, "host", &to->host);
  Get(from, "from", &to->from);
  Get(from, "to", &to->to);
  Get(from, "cause", &to->cause);
  Get(from, "actor", &to->actor);
  Get(from, "message", &to->message);
}

void Read(const json& from, ProgressRow* to) {
  Get(from, "done", &to->done);
  Get(from, "total", &to->total);
  Get(from, "unit", &to->unit);
  Get(from, "tokens", &to->tokens);
  Get(from, "tokens_per_second", &to->tokens_per_second);
  Get(from, "seconds_left", &to->seconds_left);
}

void Read(const json& from, RecoveryRow* to) {
  Get(from, "at_ms", &to->at_ms);
  Get(from, "cause", &to->cause);
  Get(from, "message", &to->message);
}

void Read(const json& from, HostRow* to) {
  Get(from, "name", &to->name);
  Get(from, "slots", &to->slots);
  Get(from, "free", &to->free);
  Get(from, "state", &to->state);
  Get(from, "reason", &to->reason);
  Get(from, "jobs", &to->jobs);
  Get(from, "failures", &to->failures);
}

void ReadTimes(const json& from, JobRow* to) {
  Get(from, "predicted_start_ms", &to->predicted_start_ms);
  Get(from, "submitted_ms", &to->submitted_ms);
  Get(from, "since_ms", &to->since_ms);
  Get(from, "started_ms", &to->started_ms);
  Get(from, "ended_ms", &to->ended_ms);
  Get(from, "eligible_ms", &to->eligible_ms);
  Get(from, "time_limit_ms", &to->time_limit_ms);
}

void Read(const json& from, JobRow* to) {
  Get(from, "id", &to->id);
  Get(from, "name", &to->name);
  Get(from, "pipeline", &to->pipeline);
  Get(from, "owner", &to->owner);
  Get(from, "stage", &to->stage);
  Get(from, "state", &to->state);
  Get(from, "flags", &to->flags);
  Get(from, "cause", &to->cause);
  Get(from, "message", &to->message);
  Get(from, "reason", &to->reason);
  Get(from, "position", &to->position);
  Get(from, "priority", &to->priority);
  Get(from, "ranks", &to->ranks);      // how many; in detailed views
  Get(from, "ranks", &to->rank_rows);  // what each one does,
  Get(from, "rank_count", &to->ranks);
  Get(from, "slots_per_rank", &to->slots_per_rank);
  Get(from, "hosts", &to->hosts);
  Get(from, "attempt", &to->attempt);
  Get(from, "generation", &to->generation);
  Get(from, "failures", &to->failures);
  Get(from, "recoveries", &to->recoveries);
  Get(from, "last_recovery", &to->last_recovery);
  ReadTimes(from, to);
  if (from.is_object() && from.contains("progress") && from["progress"].is_object())
    Read(from["progress"], &to->progress.emplace());
  Get(from, "values", &to->values);
  Get(from, "goodput", &to->goodput);
  Get(from, "attach_command", &to->attach_command);
  Get(from, "artifact", &to->artifact);
  Get(from, "artifacts_root", &to->artifacts_root);
  Get(from, "kind", &to->kind);
  Get(from, "digest", &to->digest);
  Get(from, "log_path", &to->log_path);
  Get(from, "storage_trouble", &to->storage_trouble);
  Get(from, "depends_on", &to->depends_on);
  Get(from, "reasons", &to->reasons);
  Get(from, "events", &to->events);
}

}  // namespace

Result<View> ParseView(const std::string& text) {
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object())
    return Error(Code::kUnavailable, "the coordinator's answer is no view in JSON: is it of another version?");
  View view;
  Get(parsed, "now_ms", &view.now_ms);
  Get(parsed, "jobs", &view.jobs);
  Get(parsed, "job", &view.job);
  Get(parsed, "reasons", &view.reasons);
  Get(parsed, "hosts", &view.hosts);
  Get(parsed, "events", &view.events);
  Get(parsed, "storage_trouble", &view.storage_trouble);
  return view;
}

bool HasEnded(const JobRow& job) {
  return job.state == "SUCCEEDED" || job.state == "FAILED" || job.state == "CANCELLED" || job.state == "TIMEOUT";
}

}  // namespace still::cli
