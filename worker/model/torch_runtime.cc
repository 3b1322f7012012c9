#include "worker/model/torch_runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <malloc.h>

namespace still::worker {
namespace {

// Every batch allocates and frees the same tensors. Left to itself, glibc gives their pages back to the kernel each
// time and pays in page faults to get them again: one sixth of the time of the targets stage.
void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace

void PrepareTorch(std::uint32_t threads) {
  KeepFreedMemory();
  at::set_num_threads(static_cast<int>(threads));
  at::set_num_interop_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Deterministic mode also fills every new tensor, to expose reads before writes: a debugging aid, paid for in
  // bandwidth.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

}  // namespace still::worker
