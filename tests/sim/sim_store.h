// The disk under the real journal. A batch is written whole or not at all. The disk may fill up, and perhaps cannot be
// read then. The writer may die while it writes. The checker is told what was committed.
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
    // Returns whether the disk cannot be read from now on, like a database that does not open again. It is asked at the
    // first commit that finds the disk full, and at each one after that.
    std::function<bool()> closes;
    // Returns whether the writer dies in this commit, and whether the batch is whole then. It is asked at every commit.
    std::function<bool()> dies;
    std::function<bool()> whole;
    std::function<void(const std::vector<coordinator::Changes>&)> committed;
  };
  explicit SimStore(Around around) : around_(std::move(around)) {}

  // UNAVAILABLE: the writer is dead from now on, and its owner removes it.
  Status Commit(const KvBatch& batch) override;
  Result<std::string> Get(std::string_view key) const override;
  Status ForEach(std::string_view prefix,
                 const std::function<Status(std::string_view, std::string_view)>& visit) const override;

 private:
  void Write(const KvBatch& batch);

  const Around around_;
  bool closed_ = false;
};

// Returns the changes that a batch of the journal was made of, as far as the order of its records shows them.
std::vector<coordinator::Changes> ChangesOf(const KvBatch& batch);

}  // namespace still::sim
