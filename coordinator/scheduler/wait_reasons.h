// The reasons why a queued job waits. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// The facts that the plan holds about one waiting job.
struct WaitFacts {
  enum class Fit { kSomeday, kNotOnOpenHosts, kNever };
  struct Other {
    std::uint64_t id = 0;
    UnixMs start_ms = 0;
    bool guessed = false;
  };
  struct RoomMaker {
    std::uint64_t id = 0;
    bool leaving = false;
    // The job without a time limit that makes this end unknown: itself or one that it waits for. 0: none.
    std::uint64_t unlimited = 0;
  };

  cluster::GangShape gang;
  Fit fit = Fit::kSomeday;
  UnixMs predicted_start_ms = 0;     // 0: not predicted
  bool slots_kept = false;           // slots are kept for it: no job behind it delays that start
  std::int64_t ranks_now = 0;        // how many ranks the free slots would hold
  std::uint32_t ahead = 0;           // waiting jobs that may start before it
  std::optional<Other> first_ahead;  // the next of them to start
  std::optional<RoomMaker> room_maker;
  std::vector<std::uint64_t> victims;
};

// Makes the reasons from the facts of a plan, and their texts for people.
class WaitReasons {
 public:
  // `free` has the free slots of each host, closed hosts too. The three references must outlive this object.
  WaitReasons(UnixMs now, const std::vector<cluster::HostSlots>& hosts, const std::vector<std::uint32_t>& free,
              const SchedulerOptions& options);

  // Returns all reasons, the weightiest first.
  std::vector<Reason> Of(const WaitFacts& facts) const;

 private:
  std::string NeverText(const cluster::GangShape& gang) const;
  std::string DrainedText(const cluster::GangShape& gang) const;
  std::string SlotsText(const WaitFacts& facts) const;
  std::string ReservedText(const WaitFacts& facts) const;
  std::string AheadText(const WaitFacts& facts) const;
  // Returns the closed hosts that would hold a rank, now or when empty: "b (disk swap), c (...) and 3 more".
  std::string ClosedText(const cluster::GangShape& gang, bool now) const;
  // Returns "in 4 min 5 s", or "at once".
  std::string InText(UnixMs at) const;

  const UnixMs now_;
  const std::vector<cluster::HostSlots>& hosts_;
  const std::vector<std::uint32_t>& free_;
  const SchedulerOptions& options_;
  std::uint64_t free_slots_ = 0;  // of open hosts
  std::uint32_t free_hosts_ = 0;
};

}  // namespace still::coordinator
