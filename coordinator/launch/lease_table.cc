#include "coordinator/launch/lease_table.h"

#include <algorithm>
#include <utility>

namespace still::coordinator {

LeaseTable::LeaseTable(std::uint32_t shards, const LeasePolicy& policy, std::string noun, std::uint64_t first_lease)
    : policy_(policy), noun_(std::move(noun)), first_lease_(first_lease), shards_(shards) {
  for (std::uint32_t shard = 0; shard < shards; ++shard) free_.insert(free_.end(), shard);
}

std::optional<Lease> LeaseTable::Grant(std::uint32_t rank, std::uint64_t request, Clock::TimePoint now) {
  Expire(now);
  Ask& ask = asks_[rank];
  if (request < ask.request || dead_.contains(rank)) return std::nullopt;
  if (request == ask.request) return ask.answer && open_.contains(ask.answer->id) ? ask.answer : std::optional<Lease>();
  Release(rank);
  ask = {.request = request, .answer = Pick(rank, now)};
  return ask.answer;
}

// Picks the lowest free shard, or else the slowest one of another rank for a second time.
std::optional<Lease> LeaseTable::Pick(std::uint32_t rank, Clock::TimePoint now) {
  Lease lease{.id = first_lease_ + issued_.size()};
  if (!free_.empty()) {
    lease.shard = *free_.begin();
    free_.erase(free_.begin());
  } else if (const std::optional<std::uint64_t> slow = SlowestAlone(now)) {
    lease.shard = IssuedAs(*slow).shard;
    lease.copy_of = IssuedAs(*slow).rank;
  } else {
    return std::nullopt;
  }
  issued_.push_back({.shard = lease.shard, .rank = rank});
  open_.emplace(lease.id, Open{.granted = now, .renewed = now});
  ++shards_[lease.shard].open;
  return lease;
}

std::optional<std::uint64_t> LeaseTable::SlowestAlone(Clock::TimePoint now) const {
  if (durations_.size() < policy_.slow_after) return std::nullopt;
  const std::chrono::duration<double> median = durations_[durations_.size() / 2];
  const std::chrono::duration<double> slow =
      std::max<std::chrono::duration<double>>(policy_.slow_factor * median, policy_.slow_floor);
  for (const auto& [id, lease] : open_) {
    const Shard& shard = shards_[IssuedAs(id).shard];
    if (now - lease.granted <= slow) break;  // all that follow were granted later
    if (shard.digest.empty() && shard.open == 1) return id;
  }
  return std::nullopt;
}

void LeaseTable::Renew(std::uint32_t rank, const v1::Progress& progress, Clock::TimePoint now) {
  Expire(now);
  const auto found = open_.find(progress.lease());
  if (found == open_.end() || IssuedAs(found->first).rank != rank) return;
  Open& open = found->second;
  if (progress.done() <= open.units && progress.signs() <= open.signs) return;
  open.units = std::max(open.units, progress.done());
  open.signs = std::max(open.signs, progress.signs());
  open.renewed = now;
  Shard& shard = shards_[IssuedAs(found->first).shard];
  if (shard.digest.empty()) CountUnits(shard, std::max(shard.units, open.units));
}

void LeaseTable::CountUnits(Shard& shard, std::uint64_t units) {
  units_ += units - shard.units;
  shard.units = units;
}

Result<bool> LeaseTable::Complete(std::uint32_t rank, const v1::ShardDone& result, Clock::TimePoint now) {
  Expire(now);
  const std::uint64_t lease = result.lease();
  const bool issued = lease >= first_lease_ && lease - first_lease_ < issued_.size();
  if (!issued || IssuedAs(lease).rank != rank || IssuedAs(lease).shard != result.shard())
    return Error(Code::kInvalidArgument, "rank {2} reports {0} {1} done under lease {3}, which it never had on it",
                 noun_, result.shard(), rank, lease);
  if (result.digest().empty())
    return Error(Code::kInvalidArgument, "{} {} is reported done without a digest", noun_, result.shard());
  Shard& shard = shards_[result.shard()];
  const auto open = open_.find(lease);
  if (open != open_.end() && !result.found()) {
    const auto held = now - open->second.granted;
    durations_.insert(std::ranges::upper_bound(durations_, held), held);
  }
  const bool first = shard.digest.empty();
  if (!first && shard.digest != result.digest())
    return Error(Code::kDataLoss,
                 "{} {} was computed twice with different results, {} by rank {} and {} by rank {}: one of their "
                 "machines is faulty; check memory and disk of both, then run again: the {} is made anew",
                 noun_, result.shard(), shard.digest, shard.rank, result.digest(), rank, noun_);
  if (first) {
    shard.digest = result.digest();
    shard.rank = rank;
    free_.erase(result.shard());
    ++done_;
    CountUnits(shard, result.units());
    if (!result.found()) tokens_ += result.tokens();
  }
  if (open != open_.end()) Close(open);
  return first;
}

void LeaseTable::OnDeath(std::uint32_t rank) {
  Release(rank);
  dead_.insert(rank);
}

void LeaseTable::Release(std::uint32_t rank) {
  for (auto lease = open_.begin(); lease != open_.end();)
    lease = IssuedAs(lease->first).rank == rank ? Close(lease) : std::next(lease);
}

void LeaseTable::Expire(Clock::TimePoint now) {
  if (now < expires_) return;
  expires_ = now + policy_.patience;  // when a lease that is granted now expires
  for (auto lease = open_.begin(); lease != open_.end();) {
    const Clock::TimePoint deadline = lease->second.renewed + policy_.patience;
    if (deadline > now) expires_ = std::min(expires_, deadline);
    lease = deadline > now ? std::next(lease) : Close(lease);
  }
}

std::map<std::uint64_t, LeaseTable::Open>::iterator LeaseTable::Close(std::map<std::uint64_t, Open>::iterator lease) {
  const std::uint32_t number = IssuedAs(lease->first).shard;
  Shard& shard = shards_[number];
  if (--shard.open == 0 && shard.digest.empty()) {
    free_.insert(number);
    CountUnits(shard, 0);
  }
  return open_.erase(lease);
}

}  // namespace still::coordinator
