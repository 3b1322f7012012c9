// The collective calls over real MPI: run by mpirun with several ranks, exits 0 when every rank found what it expected.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
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

bool Unanimous(const still::Result<bool>& vote) { return vote.ok() && *vote; }

void SumsAreExact(Communicator& world) {
  std::vector<std::int64_t> values(100'003);
  const std::int64_t big = std::int64_t{1} << 60;  // a double would lose the low bits
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = (world.rank() == 0 ? big : 0) + static_cast<std::int64_t>(i);
  Expect(world.AllReduceSum(std::span(values)).ok(), "AllReduceSum succeeds", world);
  std::vector<std::int64_t> ones(70'000, 1), sums(ones.size());
  Expect(world.AllReduceSum(std::span<const std::int64_t>(ones), std::span(sums)).ok(), "the same out of place", world);
  Expect(sums.front() == world.size() && sums.back() == world.size() && ones.back() == 1, "leaves its input", world);
  std::vector<float> floats(1000, 0.5F);
  Expect(world.AllReduceSum(std::span(floats)).ok() && floats.back() == 0.5F * static_cast<float>(world.size()),
         "AllReduceSum adds floats", world);
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

void AFixedBufferIsBroadcast(Communicator& world) {
  std::vector<std::byte> bytes(3'000'000, world.rank() == 0 ? std::byte{7} : std::byte{0});
  Expect(world.Broadcast(std::span(bytes), 0).ok() && bytes.back() == std::byte{7}, "Broadcast fills buffers", world);
  Expect(world.host_place().index == world.rank() && world.host_place().count == world.size(), "one host", world);
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

// Ranks kill themselves in the middle of all-reduces, alone, two at once and the lowest one; the others see it alike,
// leave them behind and sum on.
void DeathsAreLeftBehind(Communicator& world) {
  const std::vector<std::vector<int>> deaths = {{2}, {0}, {3, 4}};  // launch ranks
  int alive = world.size();
  for (const std::vector<int>& dying : deaths) {
    std::vector<std::int64_t> ones(500'000, 1), sums(ones.size());
    for (int step = 0; step < 3; ++step) {
      Expect(world.AllReduceSum(std::span<const std::int64_t>(ones), std::span(sums)).ok(), "a sum of all", world);
      Expect(sums.back() == alive, "of all who live", world);
      Expect(Unanimous(world.Vote(true)), "a vote of all", world);
    }
    if (std::ranges::count(dying, world.launch_rank()) > 0) std::raise(SIGKILL);
    static_cast<void>(world.AllReduceSum(std::span<const std::int64_t>(ones), std::span(sums)));
    const auto vote = world.Vote(true);
    Expect(!vote.ok() && vote.status().code() == still::Code::kUnavailable, "nobody votes without the dead", world);
    Expect(world.Shrink().ok(), "the living shrink", world);
    alive -= static_cast<int>(dying.size());
    Expect(world.size() == alive, "to those who live", world);
    Expect(world.host_place().count == alive, "on this host, too", world);
  }
  std::string word = world.rank() == 0 ? "on" : "";
  Expect(world.Broadcast(&word, 0).ok() && word == "on", "and broadcast on", world);
}

}  // namespace

int main(int argc, char** argv) {
  const bool deaths = argc > 2 && std::string_view(argv[2]) == "deaths";
  auto mpi = still::worker::MpiEnvironment::Initialise(&argc, &argv, deaths);
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
  AFixedBufferIsBroadcast(world);
  AFailureIsTheSameOnEveryRank(world);
  Expect(world.Barrier().ok(), "Barrier succeeds", world);
  if (deaths) {
    DeathsAreLeftBehind(world);
    if (failures == 0) std::printf("rank %d survived\n", world.launch_rank());
    std::fflush(stdout);
    if (failures > 0) std::abort();
    _exit(0);  // MPI_Finalize may wait for the dead
  }
  return failures == 0 ? 0 : 1;
}
