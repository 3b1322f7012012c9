// What is known of jobs beyond the journal: what their agents reported since this coordinator started. Never
// journaled: after a restart the next reports, a second later, say it again. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/proto/coordinator.pb.h"
#include "common/unix_time.h"
#include "common/vocabulary.h"

namespace still::coordinator {

// Seconds by what they went into, of the whole gang: rank-seconds divided by its ranks, so that they add up to wall
// time. `queue` is of the job's record, everything else was reported. Earlier attempts count as long as they were
// heard by this coordinator.
struct Goodput {
  double compute = 0;  // compute, optimizer; of stages without steps all of it
  double data = 0;
  double reduce = 0;
  double vote = 0;
  double checkpoint = 0;  // checkpoint, snapshot
  double recovery = 0;    // start, restore, recover
  double queue = 0;
  double other = 0;
};

// Loss and throughput over steps, at most kPoints of them: when they are full, every second one goes and from then on
// only every second one is kept. Steps done again after a recovery replace those of before.
class Curve {
 public:
  static constexpr std::size_t kPoints = 512;
  struct Point {
    std::uint64_t step = 0;
    std::optional<double> loss;
    std::optional<double> tokens_per_second;
  };

  void Add(Point point);
  // In the order of steps; the newest is always among them.
  std::vector<Point> points() const;

 private:
  std::vector<Point> kept_;
  std::optional<Point> newest_;  // not among the kept ones
  std::uint64_t stride_ = 1;
  std::uint64_t offered_ = 0;
};

struct LiveJob {
  std::uint64_t attempt = 0;  // that what follows is of; 0: not heard yet
  UnixMs heard_ms = 0;        // last report
  UnixMs restarted_ms = 0;    // of the coordinator, when the job ran already and was not heard since; else 0
  std::uint64_t generation = 0;
  bool running = false;  // ranks have been heard
  std::optional<stillhouse::v1::Progress> progress;
  std::optional<double> tokens_per_second;  // over the last kRateWindowMs; not known from one report alone
  std::optional<double> units_per_second;   // of what progress counts
  std::vector<stillhouse::v1::RankPhase> ranks;
  std::string storage_trouble;
  std::map<v1::Phase, double> phase_seconds;           // of all ranks of this attempt
  std::map<v1::Phase, double> earlier_phase_seconds;   // of the attempts before, where heard
  bool heard_from_the_first = false;                   // no attempt is missing in those
  std::map<v1::DeathCause, std::uint64_t> recoveries;  // within attempts
  Curve curve;

  // Bookkeeping of LiveJobs.
  struct Sample {
    UnixMs at_ms = 0;
    std::uint64_t tokens = 0;
    std::uint64_t done = 0;
  };
  std::deque<Sample> samples;
  std::uint64_t sequence = 0;
  std::uint64_t last_recovery = 0;  // generation that it led to
};

class LiveJobs {
 public:
  static constexpr std::int64_t kSilenceMs = 5000;  // longer than this is UNREACHABLE
  static constexpr std::int64_t kRateWindowMs = 30'000;
  static constexpr std::size_t kEndedKept = 64;

  // A report of the job's current attempt. One of an attempt before the newest heard changes nothing; the same report
  // again only says that the agent lives.
  void Heard(const stillhouse::v1::AgentReport& report, UnixMs now);
  // These held slots when this coordinator started: RECONCILING until heard.
  void Restarted(const std::vector<std::uint64_t>& jobs, UnixMs now);
  // The job has ended: its curves stay to be looked at until kEndedKept others have ended.
  void Ended(std::uint64_t job);
  // Null when nothing is known. Valid until the next call that is not const.
  const LiveJob* Find(std::uint64_t job) const;

  // The coordinator's own disk: journal or state directory; empty: all is well. Flags every live job.
  void SetStorageTrouble(std::string text) { storage_trouble_ = std::move(text); }
  const std::string& storage_trouble() const { return storage_trouble_; }

  // "RECONCILING", "UNREACHABLE", "STRAGGLING", "DEGRADED_STORAGE". Flags are news, never a verdict: no decision
  // hangs on them.
  std::vector<std::string> FlagsOf(const stillhouse::v1::Job& job, UnixMs now) const;
  // Milliseconds since this attempt's agent was heard or, when it never was, since it could have been.
  // What its work will still take at its present rate; nothing when that is not known.
  std::optional<std::int64_t> LeftMs(std::uint64_t job) const;
  std::int64_t SilenceMs(const stillhouse::v1::Job& job, UnixMs now) const;
  Goodput GoodputOf(const stillhouse::v1::Job& job, UnixMs now) const;

 private:
  // What is known of this attempt; null when nothing is.
  const LiveJob* FindAttempt(const stillhouse::v1::Job& job) const;

  std::map<std::uint64_t, LiveJob> jobs_;
  std::deque<std::uint64_t> ended_;  // oldest first
  std::string storage_trouble_;
};

// Ranks that hold up the others: at least two steps behind the first, much longer without a sign of progress than the
// others that have work of their own to do, or the few that the many have been waiting for in reduce or vote.
std::vector<std::uint32_t> Stragglers(const std::vector<stillhouse::v1::RankPhase>& ranks);

}  // namespace still::coordinator
