// The coordinator's views as values. What a view lacks, or has in another form, is left at its default: a client shows
// what it understands of a coordinator of another version.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/unix_time.h"

namespace still::cli {

struct ProgressRow {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string unit;
  std::uint64_t tokens = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;  // 0: not known
};

struct RankRow {
  std::uint32_t rank = 0;
  std::string host;
  std::uint32_t pid = 0;  // on that host; 0: not known
  std::string phase;
  std::uint64_t step = 0;
  double phase_seconds = 0;
  bool straggling = false;
};

struct ReasonRow {
  std::string code;
  std::string text;
};

struct EventRow {
  std::uint64_t sequence = 0;
  UnixMs at_ms = 0;
  std::uint64_t job = 0;
  std::string name, host, from, to, cause, actor, message;
};

struct RecoveryRow {
  UnixMs at_ms = 0;
  std::string cause, message;
};

struct JobRow {
  std::uint64_t id = 0;
  std::string name;
  std::uint64_t pipeline = 0;
  std::string owner, stage, state;
  std::vector<std::string> flags;
  std::string cause, message, reason;
  std::uint32_t position = 0;
  UnixMs predicted_start_ms = 0;
  std::int32_t priority = 0;
  std::uint32_t ranks = 0;
  std::uint32_t slots_per_rank = 0;
  std::vector<std::string> hosts;  // "a:2"
  std::uint64_t attempt = 0, generation = 0, failures = 0;
  std::uint64_t recoveries = 0;  // deaths of ranks or launches that did not end it
  RecoveryRow last_recovery;
  UnixMs submitted_ms = 0, since_ms = 0, started_ms = 0, ended_ms = 0, eligible_ms = 0;
  std::int64_t time_limit_ms = 0;
  std::optional<ProgressRow> progress;
  std::map<std::string, double> values;

  // In the views "top" and "job".
  std::vector<RankRow> rank_rows;
  std::map<std::string, double> goodput;  // seconds by what they were spent on

  // In the views "job" and "why".
  std::string attach_command;  // to type, where it waits for an mpirun

  // In the view "job".
  std::string artifact, artifacts_root, kind, digest, log_path, storage_trouble;
  std::vector<std::uint64_t> depends_on;
  std::vector<ReasonRow> reasons;
  std::vector<EventRow> events;
};

struct HostRow {
  std::string name;
  std::uint32_t slots = 0;
  std::uint32_t free = 0;
  std::string state, reason;
  std::vector<std::uint64_t> jobs;
  std::uint64_t failures = 0;
};

struct View {
  UnixMs now_ms = 0;  // by the coordinator's clock
  std::vector<JobRow> jobs;
  JobRow job;
  std::vector<ReasonRow> reasons;
  std::vector<HostRow> hosts;
  std::vector<EventRow> events;
  std::string storage_trouble;  // of the coordinator itself: its journal cannot be written
};

// UNAVAILABLE when `json` is no view at all.
Result<View> ParseView(const std::string& json);

bool HasEnded(const JobRow& job);  // SUCCEEDED, FAILED, CANCELLED, TIMEOUT

}  // namespace still::cli
