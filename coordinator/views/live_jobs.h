// The state of jobs that their agents reported since this coordinator started. It is never journaled: after a restart
// the next reports, a second later, bring it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/coordinator.pb.h"
#include "common/unix_time.h"

namespace still::coordinator {

// Loss and throughput over steps, at most kPoints of them. A full curve drops every second point, and from then on
// keeps only every second new one. Steps that are done again after a recovery replace the earlier ones.
class Curve {
 public:
  static constexpr std::size_t kPoints = 512;
  struct Point {
    std::uint64_t step = 0;
    std::optional<double> loss;
    std::optional<double> tokens_per_second;
  };

  void Add(Point point);
  // Returns the points in the order of steps. The newest is always among them.
  std::vector<Point> points() const;

 private:
  std::vector<Point> kept_;
  std::optional<Point> newest_;  // unset while it is among the kept points
  std::uint64_t stride_ = 1;
  std::uint64_t offered_ = 0;
};

// The reports of the agents of one job.
struct LiveJob {
  std::uint64_t attempt = 0;  // that reported last; 0: none has yet
  UnixMs heard_ms = 0;        // time of the last report
  UnixMs restarted_ms = 0;    // start of a coordinator that has not heard the running job yet; otherwise 0
  std::uint64_t generation = 0;
  bool running = false;  // the agent has heard from its ranks
  std::optional<v1::Progress> progress;
  std::optional<double> tokens_per_second;  // over the last kRateWindowMs; unset after one report
  std::optional<double> units_per_second;   // in the unit of the progress
  std::vector<v1::RankState> ranks;
  std::string storage_trouble;
  std::map<v1::Phase, double> phase_seconds;           // of all ranks of this attempt
  std::map<v1::Phase, double> earlier_phase_seconds;   // of earlier attempts that were heard
  bool heard_from_the_first = false;                   // no earlier attempt is missing
  std::map<v1::DeathCause, std::uint64_t> recoveries;  // that did not end the attempt
  Curve curve;

  // The rest is for LiveJobs only.
  struct Sample {
    UnixMs at_ms = 0;
    std::uint64_t tokens = 0;
    std::uint64_t done = 0;
  };
  std::deque<Sample> samples;
  std::uint64_t sequence = 0;
  std::uint64_t last_recovery = 0;  // the generation after it
};

// The live state of all jobs. It belongs to the coordinator's thread.
class LiveJobs {
 public:
  static constexpr std::int64_t kSilenceMs = 5000;  // longer than this is UNREACHABLE
  static constexpr std::int64_t kRateWindowMs = 30'000;
  static constexpr std::size_t kEndedKept = 64;

  // Records a report. A report of an attempt older than the newest one changes nothing. A repeated report only proves
  // that the agent lives.
  void OnReport(const v1::AgentReport& report, UnixMs now);
  // Marks jobs that held slots when this coordinator started. They are RECONCILING until their agents report.
  void Restarted(const std::vector<std::uint64_t>& jobs, UnixMs now);
  // Notes that a job has ended. Its curve stays available until kEndedKept other jobs have ended.
  void Ended(std::uint64_t job);
  // Returns null if nothing is known. The result is valid until the next call that is not const.
  const LiveJob* Find(std::uint64_t job) const;
  // Returns the same for the attempt that has the job's slots. Returns null if there is none or its agent is silent
  // yet.
  const LiveJob* FindRunning(const v1::Job& job) const;

  // Says why the coordinator cannot write its journal or state directory; empty: it can. Trouble flags every live job.
  void SetStorageTrouble(std::string text) { storage_trouble_ = std::move(text); }
  const std::string& storage_trouble() const { return storage_trouble_; }

  // Returns the flags of the job in the order of the enum. They are for people: no decision depends on them.
  std::vector<v1::JobFlag> FlagsOf(const v1::Job& job, UnixMs now) const;
  // Returns the milliseconds that the rest of the work takes at the present rate, or nothing if the rate is not known.
  std::optional<std::int64_t> LeftMs(std::uint64_t job) const;
  // Returns the milliseconds since the last report of this attempt's agent. If it never reported, returns those since
  // the attempt started or, if that was later, since this coordinator started.
  std::int64_t SilenceMs(const v1::Job& job, UnixMs now) const;

 private:
  std::map<std::uint64_t, LiveJob> jobs_;
  std::deque<std::uint64_t> ended_;  // oldest first
  std::string storage_trouble_;
};

}  // namespace still::coordinator
