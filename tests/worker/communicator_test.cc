// The collective calls over real MPI: run by mpirun with several ranks, exits 0 when every rank found what it expected.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "worker/collective/agree.h"
#include "worker/collective/mpi_communicator.h"

namespace {

using still::worker::Communicator;

int failures = 0;

void Expect(bool holds, const char* what, const Communicator& world) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "rank %d of %d: wrong: %s\n", world.rank(), world.size(), what);
}

void SumsAreExact(Communicator& world) {
  std::vector<std::int64_t> values(100'003);
  const std::int64_t big = std::int64_t{1} << 60;  // a double would lose the low bits
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = (world.rank() == 0 ? big : 0) + static_cast<std::int64_t>(i);
  Expect(world.AllReduceSum(values).ok(), "AllReduceSum succeeds", world);
  bool right = true;
  for (std::size_t i = 0; i < values.size(); ++i)
    right &= values[i] == big + world.size() * static_cast<std::int64_t>(i);
  Expect(right, "AllReduceSum adds every rank's values", world);
}

void OneVoteAgainstIsEnough(Communicator& world) {
  const auto all = world.Vote(true);
  Expect(all.ok() && *all, "a unanimous vote passes", world);
  for (int rank = 0; rank < world.size(); ++rank) {
    const auto against = world.Vote(world.rank() != rank);
    Expect(against.ok() && !*against, "one vote against rejects", world);
  }
}

void BroadcastCarriesSizeAndBytes(Communicator& world) {
  const int root = world.size() - 1;
  const std::string wanted = std::string(70'000, 'x') + std::string("\0end", 4);
  std::string bytes = world.rank() == root ? wanted : "something else";
  Expect(world.Broadcast(&bytes, root).ok() && bytes == wanted, "Broadcast gives the root's bytes", world);
  if (world.rank() == root) bytes.clear();
  Expect(world.Broadcast(&bytes, root).ok() && bytes.empty(), "Broadcast gives nothing when the root has nothing",
         world);
}

void AFailureIsTheSameOnEveryRank(Communicator& world) {
  Expect(still::worker::Agree(world, still::Ok()).ok(), "agreement on success", world);
  const bool mine = world.rank() > 0;
  const still::Status agreed = still::worker::Agree(
      world, mine ? still::Error(still::Code::kDataLoss, "broken at {}", world.rank()) : still::Ok());
  if (world.size() == 1) return;
  Expect(agreed.code() == still::Code::kDataLoss && agreed.message() == "rank 1: broken at 1",
         "every rank reports the lowest failing rank's failure", world);
}

}  // namespace

int main(int argc, char** argv) {
  auto mpi = still::worker::MpiEnvironment::Initialise(&argc, &argv);
  if (!mpi.ok()) {
    std::fprintf(stderr, "%s\n", mpi.status().ToString().c_str());
    return 1;
  }
  Communicator& world = (*mpi)->world();
  const int wanted = argc > 1 ? std::atoi(argv[1]) : 1;
  Expect(world.size() == wanted, "as many ranks as mpirun was asked for", world);
  SumsAreExact(world);
  OneVoteAgainstIsEnough(world);
  BroadcastCarriesSizeAndBytes(world);
  AFailureIsTheSameOnEveryRank(world);
  Expect(world.Barrier().ok(), "Barrier succeeds", world);
  return failures == 0 ? 0 : 1;
}
