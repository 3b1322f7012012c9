#include "coordinator/scheduler/fit.h"

#include <algorithm>
#include <string>

#include "common/counted_text.h"

namespace still::coordinator {

Status CheckFit(const v1::JobSpec& spec, int position, const std::vector<std::uint32_t>& slots_of_hosts) {
  if (spec.attach()) return Ok();  // the person who types its mpirun brings slots
  std::uint32_t widest = 0;
  std::uint64_t capacity = 0;  // in ranks
  for (const std::uint32_t slots : slots_of_hosts) {
    widest = std::max(widest, slots);
    capacity += slots / spec.slots_per_rank();
  }
  const std::string width = Counted(spec.slots_per_rank(), "slot");
  if (capacity == 0)
    return Error(Code::kInvalidArgument,
                 "job {} of the submission ('{}'): a rank of {} (threads_per_rank) can never run: the widest host "
                 "has {}; ask for fewer threads, or give the coordinator wider hosts",
                 position, spec.name(), width, widest);
  if (spec.ranks() > capacity)
    return Error(Code::kInvalidArgument,
                 "job {} of the submission ('{}'): {} ranks of {} can never run: all hosts together hold {}; ask "
                 "for fewer ranks, or give the coordinator more hosts",
                 position, spec.name(), spec.ranks(), width, capacity);
  return Ok();
}

}  // namespace still::coordinator
