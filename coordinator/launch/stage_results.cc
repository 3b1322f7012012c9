#include "coordinator/launch/stage_results.h"

#include <algorithm>

#include "coordinator/launch/relaunch_policy.h"

namespace still::coordinator {

void StageResults::OnResult(std::uint32_t rank, Status result) {
  if (result.ok()) {
    succeeded_ = true;
    return;
  }
  if (result.code() == Code::kCancelled) return RecordFailure(result.WithContext(EnumWord(stage_)));
  // A code this binary does not know comes from another version.
  if (result.code() > Code::kInternal) result = Status(Code::kInternal, result.message());
  result = result.WithContext(fmt::format("{}, rank {}", EnumWord(stage_), rank));
  if (IsDeath(result.code())) {
    gave_up_.emplace(rank, result);
    if (survivors_go_on_) return;
  }
  RecordFailure(std::move(result));
}

void StageResults::RecordFailure(Status failure) {
  const auto weight = [](Code code) { return code == Code::kDataLoss ? 2 : IsDeath(code) ? 0 : 1; };
  if (!failure_ || weight(failure.code()) > weight(failure_->code())) failure_ = std::move(failure);
}

bool StageResults::OutcomeKnown(const std::set<std::uint32_t>& members) const {
  if (succeeded_ || failure_) return true;
  return std::ranges::all_of(members, [&](std::uint32_t rank) { return gave_up_.contains(rank); });
}

std::optional<Status> StageResults::Verdict() const {
  const bool death = !failure_ || IsDeath(failure_->code());
  if (!death && failure_->code() != Code::kCancelled) return failure_;
  if (succeeded_) return Ok();
  return death ? std::nullopt : failure_;
}

}  // namespace still::coordinator
