// The disk under the real journal: batches that are whole or have not happened, a disk that fills up and perhaps cannot
// be read then, a writer that dies while it writes. Tells the checker what was committed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/storage/kv_store.h"
#include "coordinator/jobs/state.h"

namespace still::sim {

// Outlives the coordinators that write to it.
struct SimDisk {
  std::map<std::string, std::string> records;
  std::uint32_t checksum = 0;  // over all batches ever written
};

class SimStore : public KvStore {
 public:
  struct Around {
    SimDisk* disk = nullptr;
    const bool* full = nullptr;
    // Asked at every commit that finds it full, and at every one after that: whether it cannot be read from here on, as
    // a database that does not open again.
    std::function<bool()> closes;
    // Asked at every commit: whether the writer dies in it, and then whether the batch is whole.
    std::function<bool()> dies;
    std::function<bool()> whole;
    std::function<void(const std::vector<coordinator::Changes>&)> committed;
  };
  explicit SimStore(Around around) : around_(std::move(around)) {}

  // UNAVAILABLE: the writer is dead from here on; whoever drives it buries it.
  Status Commit(const KvBatch& batch) override;
  Result<std::string> Get(std::string_view key) const override;
  Status ForEach(std::string_view prefix,
                 const std::function<Status(std::string_view, std::string_view)>& visit) const override;

 private:
  void Write(const KvBatch& batch);

  const Around around_;
  bool closed_ = false;
};

// The changes that a batch of the journal was made of, as far as their order tells.
std::vector<coordinator::Changes> ChangesOf(const KvBatch& batch);

}  // namespace still::sim
