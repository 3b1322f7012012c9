// Why a queued job waits, in words. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cluster/placement.h"
#include "common/unix_time.h"
#include "coordinator/scheduler/scheduler.h"

namespace still::coordinator {

// What the plan says of one waiting job.
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
    std::uint64_t unlimited = 0;  // itself or one that it waits for: without a time limit, and nothing tells its end
  };

  cluster::GangShape gang;
  Fit fit = Fit::kSomeday;
  UnixMs predicted_start_ms = 0;     // 0: not predicted
  bool slots_kept = false;           // for it, from then on: nobody behind it delays that start
  std::int64_t ranks_now = 0;        // that the free slots would hold
  std::uint32_t ahead = 0;           // waiting jobs that may start before it
  std::optional<Other> first_ahead;  // the next of them to start
  std::optional<RoomMaker> room_maker;
  std::vector<std::uint64_t> victims;
};

class WaitReasons {
 public:
  // `free`: slots of each host that nobody has, closed ones too; not owned, as `hosts` and `options`.
  WaitReasons(UnixMs now, const std::vector<cluster::HostSlots>& hosts, const std::vector<std::uint32_t>& free,
              const SchedulerOptions& options);

  // All of them, the weightiest first.
  std::vector<Reason> Of(const WaitFacts& facts) const;

 private:
  std::string NeverText(const cluster::GangShape& gang) const;
  std::string DrainedText(const cluster::GangShape& gang) const;
  std::string SlotsText(const WaitFacts& facts) const;
  std::string ReservedText(const WaitFacts& facts) const;
  std::string AheadText(const WaitFacts& facts) const;
  // Closed hosts that would hold a rank, now or when empty: "b (disk swap), c (...) and 3 more".
  std::string ClosedText(const cluster::GangShape& gang, bool now) const;
  std::string InText(UnixMs at) const;  // "in 4 min 5 s"

  const UnixMs now_;
  const std::vector<cluster::HostSlots>& hosts_;
  const std::vector<std::uint32_t>& free_;
  const SchedulerOptions& options_;
  std::uint64_t free_slots_ = 0;  // of open hosts
  std::uint32_t free_hosts_ = 0;
};

}  // namespace still::coordinator
