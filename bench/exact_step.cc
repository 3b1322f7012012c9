// Measures what exactness costs per step: one microbatch of 4,096 tokens per rank through the demo's student, then the
// reduction of the gradients over the ranks, exact and fast in the same run.
//
//   mpirun -n 2 build/dev/bin/exact_step_bench [repetitions]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common/clock.h"
#include "worker/collective/mpi_communicator.h"
#include "worker/device/kernels.h"
#include "worker/model/encoder.h"
#include "worker/model/model_files.h"
#include "worker/model/student_layers.h"
#include "worker/model/torch_runtime.h"
#include "worker/train/loss.h"
#include "worker/train/step_sums.h"

namespace still::worker {
namespace {

constexpr std::int64_t kSequences = 32;
constexpr std::int64_t kLength = 128;
constexpr std::size_t kTerms = 64;

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Returns the time of the slowest rank, which a step waits for.
double Slowest(Communicator& world, double seconds) {
  std::vector<float> all(static_cast<std::size_t>(world.size()));
  all[static_cast<std::size_t>(world.rank())] = static_cast<float>(seconds);
  STILL_CHECK(world.AllReduceSum(std::span(all)).ok(), "all-reduce");
  return *std::ranges::max_element(all);
}

class Bench {
 public:
  explicit Bench(Communicator& world)
      : world_(world),
        shape_{.layers = 3, .hidden = 384, .heads = 12, .intermediate = 1536, .vocabulary = 30522, .positions = 512},
        student_(InitialiseStudent(ParameterSet(shape_, false), 3, /*from_teacher=*/false, 1)) {
    const auto tokens = kSequences * kLength;
    batch_.tokens = at::randint(1000, shape_.vocabulary, {kSequences, kLength}, at::kLong);
    batch_.lengths = at::full({kSequences}, kLength, at::kLong);
    rows_.masked_rows = at::arange(0, tokens, 7, at::kLong);
    rows_.target_rows = at::empty({0}, at::kLong);
    rows_.labels = at::randint(shape_.vocabulary, {rows_.masked_rows.numel()}, at::kLong);
  }

  double Microbatch() {
    const Clock::TimePoint started = clock_.Now();
    student_.ZeroGradients();
    const worker::Compute compute{.matmul = at::kFloat};
    const at::Tensor hidden = EncoderForward(student_, batch_, {}, compute);
    const LossWeights weights{.alpha_ce = 0, .alpha_mlm = 1, .alpha_cos = 0};
    AccumulateGradients(student_, nullptr, hidden, rows_, {}, {.targets = 1, .masked = rows_.masked_rows.numel()},
                        weights, compute, sums_);
    return SecondsSince(clock_, started);
  }

  // Adds, reduces over all ranks, and reads back.
  double Sum(bool fast, bool keep_own) {
    const at::Tensor gradients = student_.gradients().clone(), out = at::empty_like(gradients);
    const at::Tensor bad = at::zeros({1}, at::kDouble);
    StepSums sums({.gradients = gradients.numel(), .terms = kTerms, .fast = fast, .keep_own = keep_own});
    double seconds = 0;
    for (int warm = 0; warm < 2; ++warm) {  // the first pass touches the memory
      STILL_CHECK(world_.Barrier().ok(), "barrier");
      sums.Clear();
      const Clock::TimePoint started = clock_.Now();
      sums.AddGradients(gradients, bad);
      STILL_CHECK(sums.Reduce(world_).ok(), "all-reduce");
      sums.WriteGradients(out);
      seconds = SecondsSince(clock_, started);
    }
    return seconds;
  }

  std::size_t parameters() const { return static_cast<std::size_t>(student_.weights().numel()); }

 private:
  Communicator& world_;
  const ModelShape shape_;
  ParameterSet student_;
  TokenBatch batch_;
  LossRows rows_;
  at::Tensor sums_ = at::zeros({worker::kLossTerms}, at::kDouble);
  Clock& clock_ = Clock::System();
};

void Run(Communicator& world, int repetitions) {
  Bench bench(world);
  std::vector<double> compute, exact, fast, exact_kept;
  bench.Microbatch();
  for (int i = 0; i < repetitions; ++i) {
    compute.push_back(Slowest(world, bench.Microbatch()));
    exact.push_back(Slowest(world, bench.Sum(false, false)));
    fast.push_back(Slowest(world, bench.Sum(true, false)));
    exact_kept.push_back(Slowest(world, bench.Sum(false, true)));
  }
  if (world.rank() != 0) return;
  const double megabytes = static_cast<double>(bench.parameters()) * 1e-6;
  std::printf("%d ranks, microbatch of %lld tokens a rank, %zu parameters, medians of %d\n", world.size(),
              static_cast<long long>(kSequences * kLength), bench.parameters(), repetitions);
  std::printf("compute                          %8.1f ms\n", Median(compute) * 1e3);
  std::printf("sums exact (relaunch)            %8.1f ms   %6.0f MB\n", Median(exact) * 1e3, 8 * megabytes);
  std::printf("sums exact (inplace)             %8.1f ms   %6.0f MB\n", Median(exact_kept) * 1e3, 16 * megabytes);
  std::printf("sums fast                        %8.1f ms   %6.0f MB\n", Median(fast) * 1e3, 4 * megabytes);
  std::printf("step exact / fast, relaunch      %8.3f      (aim 1.03)\n",
              (Median(compute) + Median(exact)) / (Median(compute) + Median(fast)));
  std::printf("step exact / fast, inplace       %8.3f\n",
              (Median(compute) + Median(exact_kept)) / (Median(compute) + Median(fast)));
}

}  // namespace
}  // namespace still::worker

int main(int argc, char** argv) {
  auto mpi = still::worker::MpiEnvironment::Initialise(&argc, &argv, /*survive_deaths=*/false);
  STILL_CHECK(mpi.ok(), mpi.status().ToString());
  still::worker::PrepareTorch(1);
  still::worker::Run((*mpi)->world(), argc > 1 ? std::atoi(argv[1]) : 7);
  return 0;
}
