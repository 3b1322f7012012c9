// Recoveries as agents report them, for tests.
#pragma once

#include "common/enum_words.h"

namespace still::testing {

struct RecoveryFacts {
  std::uint64_t generation = 2;
  std::uint32_t rank = 1;
  v1::DeathCause cause = v1::DEATH_CAUSE_DIED;
  v1::Phase phase = v1::PHASE_COMPUTE;
  std::uint64_t step = 17;
  std::uint32_t survivors = 1;  // 0: the ranks were launched again
};

inline v1::Recovery RecoveryOf(const RecoveryFacts& facts = {}) {
  v1::Recovery recovery;
  recovery.set_generation(facts.generation);
  recovery.mutable_death()->add_ranks(facts.rank);
  recovery.mutable_death()->set_cause(facts.cause);
  recovery.mutable_death()->set_phase(facts.phase);
  recovery.mutable_death()->set_step(facts.step);
  recovery.set_in_place(facts.survivors > 0);
  recovery.set_survivors(facts.survivors);
  return recovery;
}

}  // namespace still::testing
