#include "coordinator/launch/launch_state.h"

#include <utility>

namespace still::coordinator {

LaunchState::LaunchState(LaunchOptions launch_options, const Clock& launch_clock, RpcServer& rpc)
    : options(std::move(launch_options)),
      clock(launch_clock),
      membership(options.generation, options.ranks),
      results(options.stage, options.survivors_go_on),
      rpc_(rpc),
      generation_since_(clock.Now()) {}

Status LaunchState::Reply(const std::string& peer, v1::Envelope* envelope) {
  envelope->set_generation(membership.generation());
  return rpc_.Send(peer, envelope->SerializeAsString());
}

void LaunchState::Fail(Status failure) {
  results.OnFailure(std::move(failure));
  end_requested = true;
}

Result<std::uint64_t> LaunchState::Reconfigure(const std::set<std::uint32_t>& survivors,
                                               const std::vector<std::uint32_t>& dead, const v1::Death& death,
                                               const std::string& lost_host) {
  GenerationEnd end = EndOf(Status(Code::kUnavailable, DeathText(death)));
  end.death = death;
  end.lost_host = lost_host;
  end.in_place = true;
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, options.on_shrink(end, survivors.size()));
  membership.Shrink(survivors, generation);
  generation_since_ = clock.Now();
  for (const std::uint32_t gone : dead) {
    RecordStorageTrouble(RankSource(gone), "");
    sightings.Forget(gone);
    phase_times.Forget(gone);
  }
  return generation;
}

void LaunchState::RecordStorageTrouble(const std::string& source, const std::string& trouble) {
  const bool before = !storage_troubles_.empty();
  if (trouble.empty()) {
    storage_troubles_.erase(source);
  } else {
    storage_troubles_[source] = trouble;
  }
  if (before != storage_troubles_.empty()) return;
  options.on_storage_trouble(trouble.empty() ? "" : fmt::format("{}: {}", source, trouble));
}

GenerationEnd LaunchState::EndOf(const Status& outcome) const {
  return {.generation = membership.generation(),
          .code = outcome.code(),
          .why = outcome.message(),
          .step = sightings.step(),
          .seconds = SecondsSince(clock, generation_since_)};
}

std::string RankSource(std::uint32_t rank) { return fmt::format("rank {}", rank); }

}  // namespace still::coordinator
