#include "coordinator/agent/divisible_work.h"

#include <optional>

#include "common/log.h"
#include "common/proto/control.pb.h"

namespace still::coordinator {

stillhouse::v1::LeaseGrant DivisibleWork::Answer(std::uint32_t rank, std::uint64_t request, bool committed,
                                                 Clock::TimePoint now) {
  stillhouse::v1::LeaseGrant grant;
  grant.set_request(request);
  grant.set_answer(stillhouse::v1::LEASE_ANSWER_WAIT);
  if (committed) {
    grant.set_answer(stillhouse::v1::LEASE_ANSWER_DONE);
  } else if (leases_.AllDone()) {
    if (const std::optional<Lease> commit = commit_.Grant(rank, request, now)) {
      grant.set_answer(stillhouse::v1::LEASE_ANSWER_COMMIT);
      grant.set_tokens(leases_.tokens());
    }
  } else if (const std::optional<Lease> lease = leases_.Grant(rank, request, now)) {
    if (lease->copy_of)
      LogWarn("{}: rank {} is slow: its shard {} goes to rank {} as well", stage_, *lease->copy_of, lease->shard, rank);
    grant.set_answer(stillhouse::v1::LEASE_ANSWER_SHARD);
    grant.set_shard(lease->shard);
    grant.set_lease(lease->id);
  }
  return grant;
}

void DivisibleWork::NoteProgress(std::uint32_t rank, const stillhouse::v1::Progress& progress, Clock::TimePoint now) {
  leases_.Renew(rank, progress.lease(), progress.done(), now);
}

Status DivisibleWork::NoteDone(std::uint32_t rank, const stillhouse::v1::ShardDone& done, Clock::TimePoint now) {
  return leases_
      .Complete(rank, done.lease(),
                {.shard = done.shard(),
                 .digest = done.digest(),
                 .found = done.found(),
                 .units = done.units(),
                 .tokens = done.tokens()},
                now)
      .status();
}

void DivisibleWork::NoteDeath(std::uint32_t rank) {
  leases_.NoteDeath(rank);
  commit_.NoteDeath(rank);
}

}  // namespace still::coordinator
