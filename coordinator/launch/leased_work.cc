#include "coordinator/launch/leased_work.h"

#include <optional>
#include <utility>

#include "common/check.h"
#include "common/log.h"

namespace still::coordinator {

LeasedWork::LeasedWork(v1::Stage stage, std::vector<WorkRound> rounds, const LeasePolicy& policy)
    : stage_(stage), rounds_(std::move(rounds)), policy_(policy) {
  STILL_CHECK(!rounds_.empty() && rounds_.front().shards > 0, EnumWord(stage_) + ": leased work without a shard");
  Begin(rounds_.front().shard, rounds_.front().shards);
}

v1::LeaseGrant LeasedWork::Answer(std::uint32_t rank, std::uint64_t request, bool committed, Clock::TimePoint now) {
  v1::LeaseGrant grant;
  grant.set_request(request);
  grant.set_answer(committed ? v1::LEASE_ANSWER_DONE : v1::LEASE_ANSWER_WAIT);
  if (committed) return grant;
  const std::size_t round = tables_.size() - 1;
  Ask& ask = asks_[rank];
  if (request > ask.request) ask = {.request = request, .round = round};
  // An earlier round has answered this request. If that answer was lost, the rank sends a new one.
  if (request < ask.request || ask.round < round) return grant;
  const std::optional<Lease> lease = tables_.back().Grant(rank, request, now);
  if (!lease) return grant;
  grant.set_lease(lease->id);
  if (InCommit()) {
    grant.set_answer(v1::LEASE_ANSWER_COMMIT);
    grant.set_tokens(tokens());
    return grant;
  }
  if (lease->copy_of)
    LogWarn("{}: rank {} is slow, so its {} {} goes to rank {} as well", EnumWord(stage_), *lease->copy_of,
            rounds_[round].shard, lease->shard, rank);
  grant.set_answer(v1::LEASE_ANSWER_SHARD);
  grant.set_round(static_cast<std::uint32_t>(round));
  grant.set_shard(lease->shard);
  return grant;
}

void LeasedWork::OnProgress(std::uint32_t rank, const v1::Progress& progress, Clock::TimePoint now) {
  for (LeaseTable& table : tables_)  // at most one of them knows the lease
    table.Renew(rank, progress, now);
}

Status LeasedWork::OnDone(std::uint32_t rank, const v1::ShardDone& done, Clock::TimePoint now) {
  if (done.round() >= tables_.size() || done.round() >= rounds_.size())
    return Error(Code::kInvalidArgument, "rank {} reports a shard of round {} done, which has not begun", rank,
                 done.round());
  STILL_ASSIGN_OR_RETURN(const bool first, tables_[done.round()].Complete(rank, done, now));
  if (first && done.next_shards() > 0) next_shards_ = done.next_shards();
  return BeginNextIfDone();
}

Status LeasedWork::BeginNextIfDone() {
  if (InCommit() || !tables_.back().AllDone()) return Ok();
  const std::size_t next = tables_.size();
  if (next == rounds_.size()) {
    Begin("commit", 1);
    return Ok();
  }
  const std::uint32_t shards = rounds_[next].shards > 0 ? rounds_[next].shards : std::exchange(next_shards_, 0);
  if (shards == 0)
    return Error(Code::kInvalidArgument, "round {} is done, and no result says how many shards the next one has",
                 next - 1);
  Begin(rounds_[next].shard, shards);
  return Ok();
}

void LeasedWork::Begin(const std::string& shard, std::uint32_t shards) {
  tables_.emplace_back(shards, policy_, shard, granted() + 1);
  for (const std::uint32_t rank : dead_) tables_.back().OnDeath(rank);
}

void LeasedWork::OnDeath(std::uint32_t rank) {
  dead_.insert(rank);
  for (LeaseTable& table : tables_) table.OnDeath(rank);
}

std::uint64_t LeasedWork::units() const {
  std::uint64_t units = 0;
  for (const LeaseTable& table : tables_) units += table.units();
  return units;
}

std::uint64_t LeasedWork::tokens() const {
  std::uint64_t tokens = 0;
  for (const LeaseTable& table : tables_) tokens += table.tokens();
  return tokens;
}

std::uint64_t LeasedWork::shards_done() const {
  std::uint64_t done = 0;
  for (const LeaseTable& table : tables_) done += table.done();
  return done;
}

std::uint64_t LeasedWork::granted() const {
  std::uint64_t granted = 0;
  for (const LeaseTable& table : tables_) granted += table.granted();
  return granted;
}

std::uint64_t LeasedWork::reached() const { return units() + shards_done() - tables_.front().done(); }

}  // namespace still::coordinator
